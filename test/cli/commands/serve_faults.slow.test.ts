// `molora serve` on a machine that fails: a full disk, a cache damaged between runs, storage that hangs, a clock that jumps, memory
// that the process may not have. What can go on does, and every answer is the right one.

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { MoloraClient } from "../../../proto/client.ts";
import { place } from "../../node/sources/place.ts";
import { post } from "../../server/http/http_server.ts";
import { start } from "../run.ts";

const run = promisify(execFile);
const FOLDER = "models/nano/adapters";
const NAMES = ["adapter_config.json", "adapter_model.safetensors"];
const SMALL = ["--device", "cpu", "--threads", "1", "--context", "512", "--pool-bytes", "67108864"];

interface Served {
  child: ChildProcess;
  baseUrl: string;
  /** What it said on standard error, until now. */
  said(): string;
}

async function served(t: TestContext, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Served> {
  const child = start(["serve", "--port", "0", "--json", "--model", "models/nano", ...SMALL, ...args], env);
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  child.stderr!.on("data", (chunk) => {
    said += chunk;
  });
  const ended = once(child, "exit").then(([code]) => assert.fail(`it ended with ${code}: ${said}`));
  const [line] = await Promise.race([once(createInterface({ input: child.stdout! }), "line"), ended]);
  ended.catch(() => {});
  return { child, baseUrl: `http://127.0.0.1:${JSON.parse(line).port}/v1`, said: () => said };
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "molora-faults-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A web server with nano's adapters, each a folder with an index; `hung` never answers. */
function adaptersPlace(t: TestContext) {
  return place(t, (_request, response, path) => {
    const [, name, file] = path.split("/");
    if (name === "hung") return;
    try {
      const files = new Map(NAMES.map((each) => [each, readFileSync(join(FOLDER, name, each))]));
      const entries = [...files].map(([each, bytes]) => ({
        path: each,
        bytes: bytes.length,
        sha256: createHash("sha256").update(bytes).digest("hex"),
      }));
      response.end(file === "index.json" ? JSON.stringify({ files: entries }) : files.get(file));
    } catch {
      response.writeHead(404).end();
    }
  });
}

const asked = (model: string) => ({ model: `nano:${model}`, prompt: "Add 2 and 3.", max_tokens: 24, temperature: 0 });
const said = ({ status, body }: Awaited<ReturnType<typeof post>>): string => {
  assert.equal(status, 200, JSON.stringify(body));
  return (body.choices as { text: string }[])[0].text;
};

async function metric(baseUrl: string, name: string): Promise<number> {
  const text = await (await fetch(baseUrl.replace("/v1", "/metrics"))).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

async function answers(baseUrl: string, names: readonly string[]): Promise<string[]> {
  return Promise.all(names.map(async (name) => said(await post(`${baseUrl}/completions`, asked(name)))));
}

/** What each adapter says where nothing fails. */
let right: Promise<string[]> | undefined;
const ALL = ["math", "sql", "medical", "code"];
function rightAnswers(t: TestContext): Promise<string[]> {
  right ??= (async () => {
    const { baseUrl } = await served(t, ["--adapters", FOLDER]);
    return answers(baseUrl, ALL);
  })();
  return right;
}

test("a full disk: what is fetched is served all the same, and the operator is told", async (t) => {
  const expected = await rightAnswers(t);
  const disk = mkdtempSync(join(tmpdir(), "molora-full-"));
  const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]).then(
    () => true,
    () => false,
  );
  if (!mounted) return t.skip("no small disk can be mounted here: a full disk is not tested");
  t.after(async () => {
    await run("umount", ["-l", disk]);
    rmSync(disk, { recursive: true });
  });
  const { url } = await adaptersPlace(t);
  const { baseUrl, said: told } = await served(t, ["--source", url, "--disk-cache", disk]);
  assert.deepEqual(await answers(baseUrl, ALL), expected);
  assert.match(told(), /cannot keep a file \(ENOSPC\)/);
  assert.ok((await metric(baseUrl, "molora_disk_cache_bytes")) <= 64 * 1024);
  assert.equal((await fetch(baseUrl.replace("/v1", "/health"))).status, 200);
});

test("files of the cache that were cut or changed between runs are fetched anew, and never served", async (t) => {
  const expected = await rightAnswers(t);
  const disk = folder(t);
  const { url, asked: requests } = await adaptersPlace(t);
  const first = await served(t, ["--source", url, "--disk-cache", disk]);
  assert.deepEqual(await answers(first.baseUrl, ALL), expected);
  first.child.kill("SIGKILL");
  await once(first.child, "exit");
  const blobs = readdirSync(join(disk, "blobs"));
  assert.equal(blobs.length, 2 * ALL.length);
  const large = blobs.filter((name) => readFileSync(join(disk, "blobs", name)).length > 10_000);
  truncateSync(join(disk, "blobs", large[0]), 5000);
  const bytes = readFileSync(join(disk, "blobs", large[1]));
  bytes[bytes.length >> 1] ^= 0x40;
  writeFileSync(join(disk, "blobs", large[1]), bytes);
  for (const note of readdirSync(join(disk, "notes"))) writeFileSync(join(disk, "notes", note), '{"cut":');
  const before = requests.length;
  const again = await served(t, ["--source", url, "--disk-cache", disk]);
  assert.deepEqual(await answers(again.baseUrl, ALL), expected);
  assert.equal(await metric(again.baseUrl, "molora_disk_cache_damaged_total"), 2);
  assert.equal(await metric(again.baseUrl, "molora_disk_cache_hits_total"), 2 * ALL.length - 2);
  assert.equal(requests.slice(before).filter(({ path }) => path.endsWith(".safetensors")).length, 2);
  assert.match(again.said(), /is damaged, and fetched anew/);
});

test("storage that hangs holds up those who ask for it alone, and not those who leave", async (t) => {
  const expected = await rightAnswers(t);
  const { url } = await adaptersPlace(t);
  const { baseUrl } = await served(t, ["--source", url, "--disk-cache", folder(t), "--max-queue", "4"]);
  const abort = new AbortController();
  const body = JSON.stringify(asked("hung"));
  const headers = { "content-type": "application/json" };
  const hung = Array.from({ length: 12 }, () =>
    fetch(`${baseUrl}/completions`, { method: "POST", headers, body, signal: abort.signal }).then(
      ({ status }) => status,
      () => "left",
    ),
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(await answers(baseUrl, ALL.slice(0, 2)), expected.slice(0, 2));
  abort.abort();
  const ends = await Promise.all(hung);
  assert.ok(
    ends.every((end) => end === "left" || end === 429),
    `${ends}`,
  );
  for (let i = 0; i < 50 && (await metric(baseUrl, "molora_requests_loading")) > 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal(await metric(baseUrl, "molora_requests_loading"), 0);
});

/** Moves Date by a day, now forth and now back, every 20 milliseconds; what counts time by another clock must not notice. */
const JUMPING = `data:text/javascript,${encodeURIComponent(`
  const Real = Date; let off = 0, n = 0;
  globalThis.Date = class extends Real {
    constructor(...args) { args.length === 0 ? super(Real.now() + off) : super(...args); }
    static now() { return Real.now() + off; }
  };
  setInterval(() => { off = [864e5, -864e5, 0, 31536e6][n++ % 4]; }, 20).unref();
`)}`;

test("a clock that jumps by days changes no answer, no order and no limit", async (t) => {
  const expected = await rightAnswers(t);
  const { url } = await adaptersPlace(t);
  const folderOfKeys = folder(t);
  const keys = join(folderOfKeys, "keys.json");
  const made = start(["keys", "create", "--keys", keys, "--name", "a", "--requests-per-minute", "30", "--json"]);
  const { secret } = JSON.parse(await text(made.stdout!)) as { secret: string };
  const args = ["--source", url, "--disk-cache", folderOfKeys, "--keys", keys];
  const { baseUrl } = await served(t, args, { NODE_OPTIONS: `--import ${JUMPING}` });
  const headers = { authorization: `Bearer ${secret}` };
  const results: string[] = [];
  let limited = 0;
  for (let i = 0; i < 40; i++) {
    const answer = await post(`${baseUrl}/completions`, asked(ALL[i % 4]), headers);
    if (answer.status === 429) limited++;
    else results.push(said(answer));
  }
  // Two more may come while these run: half a minute's worth is in the bucket, and it refills.
  assert.ok(limited >= 1, "a day forth does not fill the bucket");
  assert.ok(results.length >= 30, "nor does a day back empty it");
  assert.deepEqual(results, results.map((_, i) => expected[i % 4]).slice(0, results.length));
  const client = await MoloraClient.connect(`${baseUrl.replace("http", "ws")}/stream`, { token: secret });
  const refused = async () => {
    for await (const _ of client.generate({ prompt: "x", maxTokens: 1 }));
  };
  await assert.rejects(refused, { code: "rate_limited" });
  await client.close();
});

const LIMITS = process.platform === "linux" ? ["-v 6000000", "-d 300000"] : [];
for (const limit of LIMITS) {
  test(`memory that the process may not have (ulimit ${limit}) is an error with its reason`, async () => {
    const command = `ulimit ${limit}; exec ${process.execPath} bin/molora.mjs serve --port 0 --model models/nano --device cpu --threads 1`;
    const child = spawn("bash", ["-c", command], { stdio: ["ignore", "pipe", "pipe"] });
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, "close")]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /error\[gpu_limit\]: .*(gets no memory|cannot have|holds at most)/);
    assert.match(stderr, /^remedy: /m);
  });
}
