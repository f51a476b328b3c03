// Folders on web servers and on a hub by name: indices with checksums, archives, what is listed and what is not; and a place that goes
// away after its files were fetched once.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import type { SourceFolder } from "../../../files/source.ts";
import { DiskCache } from "../../../node/sources/disk_cache.ts";
import { type SourceOptions, Sources } from "../../../node/sources/name_sources.ts";
import { raises } from "../../raises.ts";
import { hubServer } from "../hub/hub_server.ts";
import { place, withEnv } from "./place.ts";

const CONFIG = readFileSync("models/nano/adapters/math/adapter_config.json");
const WEIGHTS = Buffer.alloc(9000, 7);
const FILES: Record<string, Buffer> = { "adapter_config.json": CONFIG, "adapter_model.safetensors": WEIGHTS };
const policy = { backoffMs: 1, retries: 1, stallMs: 500, absentMs: 200 };
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

function diskCache(t: TestContext): DiskCache {
  const path = mkdtempSync(join(tmpdir(), "molora-places-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return new DiskCache(path, 1e9);
}

const sourcesOf = (sources: string[], more: Partial<SourceOptions> = {}) => new Sources({ sources, policy, ...more });

async function weightsOf(folder: SourceFolder): Promise<Buffer> {
  const source = await folder.open("adapter_model.safetensors");
  return Buffer.from(await source!.read(0, source!.size));
}

const index = (files: Record<string, Buffer>) =>
  JSON.stringify({
    files: Object.entries(files).map(([path, bytes]) => ({ path, bytes: bytes.length, sha256: sha256(bytes) })),
  });

test("a folder with an index is read by name, each file with its checksum", async (t) => {
  const { url, asked } = await place(t, (_request, response, path) => {
    const [, name, file] = path.split("/").map(decodeURIComponent);
    if (name === "math" && file === "index.json") response.end(index(FILES));
    else if (name === "math" && FILES[file] !== undefined) response.end(FILES[file]);
    else if (name === "changed" && file === "index.json") response.end(index(FILES));
    else if (name === "changed") response.end(Buffer.alloc(FILES[file]?.length ?? 0));
    else response.writeHead(404).end();
  });
  const sources = sourcesOf([url]);
  const found = await sources.find("math");
  assert.deepEqual([found?.kind, found?.path], ["adapter", `${url}/math`]);
  assert.deepEqual(await weightsOf(found!.folder), WEIGHTS);
  assert.equal(await found!.folder.open("other"), undefined);
  await raises("checksum_mismatch", /sha256/, async () => weightsOf((await sources.find("changed"))!.folder));
  const before = asked.length;
  assert.equal(await sources.find("nothing"), undefined);
  const looked = asked.length - before;
  assert.equal(await sources.find("nothing"), undefined);
  assert.equal(asked.length - before, looked, "an absent name is not asked for again at once");
  await new Promise((resolve) => setTimeout(resolve, 250));
  assert.equal(await sources.find("nothing"), undefined);
  assert.equal(asked.length - before, 2 * looked);
});

test("an archive is read by name, packed or not; one with links, or paths that lead out, is refused", async (t) => {
  const entry = (name: string, body: Buffer) => ({ header: { name, size: body.length, type: "file" as const }, body });
  const whole = await packTar(Object.entries(FILES).map(([name, body]) => entry(`math/${name}`, body)));
  const evil = await packTar([entry("../adapter_config.json", CONFIG)]);
  const link = await packTar([
    { header: { name: "adapter_config.json", size: 0, type: "symlink", linkname: "/etc/passwd" } },
  ]);
  const bodies: Record<string, Uint8Array> = {
    "/plain.tar": whole,
    "/packed.tar.gz": gzipSync(whole),
    "/evil.tar": evil,
    "/link.tar": link,
    "/bomb.tar.gz": gzipSync(Buffer.alloc(20_000_000)),
    "/cut.tar": whole.subarray(0, 700),
  };
  const { url } = await place(t, (request, response, path) => {
    const body = bodies[path];
    if (body === undefined) response.writeHead(404).end();
    else response.writeHead(200, { "content-length": body.length, etag: `"${path}"` });
    response.end(request.method === "HEAD" ? undefined : body);
  });
  const sources = sourcesOf([url], { policy: { ...policy, maxFileBytes: 1_000_000 }, cache: diskCache(t) });
  for (const name of ["plain", "packed"])
    assert.deepEqual(await weightsOf((await sources.find(name))!.folder), WEIGHTS);
  for (const name of ["evil", "link", "cut"])
    await raises("header_invalid", /no tar that can be read/, () => sources.find(name));
  await raises("header_too_large", /unpacks to more/, () => sources.find("bomb"));
});

test("what was fetched once is served from the disk when the place goes away, and told of", async (t) => {
  let down = false;
  const { url, asked } = await place(t, (_request, response, path) => {
    if (down) response.writeHead(503).end();
    else if (path === "/math/index.json") response.end(index(FILES));
    else if (path.startsWith("/math/")) response.end(FILES[path.slice(6)]);
    else response.writeHead(404).end();
  });
  const told: string[] = [];
  const options = { cache: diskCache(t), told: (problem: string) => told.push(problem) };
  await weightsOf((await sourcesOf([url], options).find("math"))!.folder);
  const before = asked.length;
  assert.deepEqual(await weightsOf((await sourcesOf([url], options).find("math"))!.folder), WEIGHTS);
  assert.equal(asked.length, before + 1, "only the list is asked for again");
  down = true;
  assert.deepEqual(await weightsOf((await sourcesOf([url], options).find("math"))!.folder), WEIGHTS);
  assert.match(told.join(), /cannot be asked, so what it held last is taken/);
  const sources = sourcesOf([url], options);
  await raises("download_failed", /503/, () => sources.find("never-seen"));
  const { bytes, files, hits, misses, damaged, evictions } = sources.disk!;
  assert.deepEqual(
    { bytes, files, hits, misses, damaged, evictions },
    {
      bytes: WEIGHTS.length,
      files: 1,
      hits: 2,
      misses: 1,
      damaged: 0,
      evictions: 0,
    },
  );
});

test("an earlier source that cannot be asked is not passed over: a later one may hold something else of the name", async (t) => {
  const first = await place(t, (_request, response) => response.writeHead(503).end());
  const sources = sourcesOf([first.url, "models/nano/adapters"]);
  await raises("download_failed", /503/, () => sources.find("math"));
  assert.equal((await sourcesOf(["models/nano/adapters", first.url]).find("math"))?.kind, "adapter");
});

test("repositories of an owner on a hub, and folders of a repository", async (t) => {
  const inFolder = Object.fromEntries(Object.entries(FILES).map(([path, bytes]) => [`adapters/math/${path}`, bytes]));
  const repos = {
    "me/math": { files: FILES, token: "secret" },
    "me/all": { files: { "README.md": CONFIG, ...inFolder } },
  };
  const hub = await hubServer(t, repos);
  withEnv(t, { HF_ENDPOINT: hub.url, HF_TOKEN: "secret" });
  const cache = diskCache(t);
  const found = await sourcesOf(["hf:me"], { cache }).find("math");
  assert.deepEqual([found?.path, await weightsOf(found!.folder)], ["hf:me/math", WEIGHTS]);
  assert.equal(await sourcesOf(["hf:me"]).find("nothing"), undefined);
  assert.equal(await sourcesOf(["hf:me"]).find("all"), undefined, "a repository that is no adapter");
  hub.faults.push({ part: "/resolve/", times: 1, status: 503 });
  const inside = await sourcesOf(["hf:me/all:adapters"]).find("math");
  assert.deepEqual([inside?.path, await weightsOf(inside!.folder)], ["hf:me/all:adapters/math", WEIGHTS]);
});

test("addresses that requests name are taken below what is allowed, and go by names of their own", async (t) => {
  const { url } = await place(t, (_request, response, path) => {
    if (path === "/open/math/index.json") response.end(index(FILES));
    else if (path.startsWith("/open/math/")) response.end(FILES[path.split("/").at(-1)!]);
    else response.writeHead(404).end();
  });
  const sources = sourcesOf([], { allowed: [`${url}/open`] });
  assert.equal((await sources.find(`${url}/open/math`))?.kind, "adapter");
  assert.match(sources.nameOf(`${url}/open/math/`), /^math\.[0-9a-f]{8}$/);
  assert.equal(sources.nameOf("math"), "math");
  for (const out of [`${url}/openmath`, `${url}/open/../x`, "s3://bucket/x", "https://example.org/x"]) {
    await raises("not_permitted", /not among the sources/, () => sources.find(out));
  }
  await raises("bad_arguments", /folder of this machine/, () => sourcesOf([], { allowed: ["/srv"] }));
});
