// Fetching from a hub: only what is needed, checked, resumed; what it refuses; what is kept for later.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Hub, type HubOptions } from "../../../node/hub/hub.ts";
import { pullWhole } from "../../../node/hub/pull.ts";
import { parseHubReference } from "../../../node/hub/reference.ts";
import { Snapshots } from "../../../node/hub/snapshot.ts";
import { COMMIT, type HubRepo, type HubServer, hubServer } from "./hub_server.ts";

const text = (value: unknown) => Buffer.from(JSON.stringify(value));
const WEIGHTS = randomBytes(300_000);

const BASE: HubRepo = {
  files: {
    "README.md": text("# a model"),
    "config.json": text({ architectures: ["LlamaForCausalLM"] }),
    "generation_config.json": text({}),
    "tokenizer.json": text({}),
    "tokenizer.model": randomBytes(5000),
    "model.safetensors.index.json": text({
      weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" },
    }),
    "model-00001-of-00002.safetensors": WEIGHTS,
    "model-00002-of-00002.safetensors": randomBytes(5000),
    "pytorch_model.bin": randomBytes(9000),
    "original/consolidated.00.pth": randomBytes(9000),
  },
  revisions: { "v1.0": "b".repeat(40) },
};

interface Setting {
  server: HubServer;
  root: string;
  open(options?: HubOptions & { offline?: boolean }): Snapshots;
}

async function setting(t: TestContext, repos: Record<string, HubRepo>): Promise<Setting> {
  const server = await hubServer(t, repos);
  const root = mkdtempSync(join(tmpdir(), "molora-hub-"));
  t.after(() => rmSync(root, { recursive: true }));
  const open = ({ offline = false, ...options }: HubOptions & { offline?: boolean } = {}) =>
    new Snapshots({ hub: new Hub({ endpoint: server.url, backoffMs: 5, ...options }), root, offline });
  return { server, root, open };
}

const pull = (snapshots: Snapshots, reference: string) => snapshots.pull(parseHubReference(reference));
const names = (files: readonly { path: string }[]) => files.map(({ path }) => path).sort();

test("of a base come config, tokenizer and the shards its index names; a second time nothing is asked for", async (t) => {
  const { server, root, open } = await setting(t, { "user/base": BASE });
  const seen: [number, number][] = [];
  const pulled = await open().pull(parseHubReference("hf:user/base"), ({ received, total }) => {
    seen.push([received, total]);
  });
  const wanted = [
    ...["config.json", "generation_config.json", "model-00001-of-00002.safetensors"],
    ...["model-00002-of-00002.safetensors", "model.safetensors.index.json", "tokenizer.json"],
  ];
  assert.equal(pulled.path, join(root, "user--base", COMMIT));
  assert.deepEqual(readdirSync(pulled.path).sort(), wanted);
  assert.deepEqual(names(pulled.files), wanted);
  assert.deepEqual(readFileSync(join(pulled.path, wanted[2])), WEIGHTS);
  const total = pulled.files.reduce((sum, { bytes }) => sum + bytes, 0);
  assert.deepEqual(seen.at(-1), [total, total]);
  assert.ok(seen.every(([received], i) => i === 0 || received >= seen[i - 1][0]));

  server.asked.length = 0;
  await pull(open(), `hf:user/base@${COMMIT}`);
  assert.deepEqual(server.asked, [], "a commit that is there needs no hub");
  await pull(open({ offline: true }), "hf:user/base");
  assert.deepEqual(server.asked, [], "nor does a branch, offline");
  await assert.rejects(pull(open({ offline: true }), "hf:user/base@v1.0"), { code: "file_not_found" });
  await pull(open(), "hf:user/base@v1.0");
  assert.deepEqual(readdirSync(join(root, "user--base")).sort(), [
    ...[COMMIT, `${COMMIT}.json`, "b".repeat(40), `${"b".repeat(40)}.json`, "refs"],
  ]);
});

test("a stream that breaks off goes on where it ended, in one run and in the next", async (t) => {
  const { server, open } = await setting(t, { "user/base": BASE });
  const file = "model-00001-of-00002.safetensors";
  server.faults.push({ part: file, times: 1, breakAfter: 100_000 }, { part: file, times: 1, breakAfter: 50_000 });
  const { path } = await pull(open(), `hf:user/base:${file}`);
  assert.deepEqual(readFileSync(path), WEIGHTS);
  const ranges = server.asked.filter((line) => line.includes(file)).map((line) => line.split(" ")[2]);
  assert.deepEqual(ranges, [undefined, "bytes=100000-", "bytes=150000-"]);
  rmSync(path);

  // Five breaks without a byte more end it; what came is kept.
  server.faults.push({ part: file, times: 1, breakAfter: 200_000 }, { part: file, times: 5, breakAfter: 0 });
  await assert.rejects(pull(open(), `hf:user/base:${file}`), (error: Error & { code: string }) => {
    assert.equal(error.code, "download_failed");
    assert.match(error.message, /broke off at 200000 of 300000 bytes/);
    return true;
  });
  for (const fault of server.faults) fault.times = 0;
  server.asked.length = 0;
  assert.deepEqual(readFileSync((await pull(open(), `hf:user/base:${file}`)).path), WEIGHTS);
  assert.ok(server.asked.at(-1)!.endsWith("bytes=200000-"));
  assert.deepEqual(readdirSync(join(path, "..")), [file]);
});

test("a server without ranges begins at the beginning, and no byte is taken twice", async (t) => {
  const { server, open } = await setting(t, { "user/base": BASE });
  const file = "model-00001-of-00002.safetensors";
  server.faults.push({ part: file, times: 1, breakAfter: 100_000 }, { part: file, times: 1, plain: true });
  assert.deepEqual(readFileSync((await pull(open(), `hf:user/base:${file}`)).path), WEIGHTS);
});

test("other bytes than the hub lists: checksum_mismatch, and nothing stays behind", async (t) => {
  const { server, root, open } = await setting(t, { "user/base": BASE });
  for (const file of ["model-00002-of-00002.safetensors", "config.json"]) {
    const content = Uint8Array.from(BASE.files[file]);
    content[17] ^= 1;
    server.faults.push({ part: `resolve/${COMMIT}/${file}`, times: 1, content });
    await assert.rejects(pull(open(), `hf:user/base:${file}`), { code: "checksum_mismatch" });
    assert.deepEqual(readdirSync(join(root, "user--base", COMMIT)), []);
  }
  // A part of an earlier run that is damaged is thrown away.
  const part = join(root, "user--base", COMMIT, "model-00002-of-00002.safetensors.0.part");
  writeFileSync(part, new Uint8Array(1000));
  const { path } = await pull(open(), "hf:user/base:model-00002-of-00002.safetensors");
  assert.deepEqual(readFileSync(path), Buffer.from(BASE.files["model-00002-of-00002.safetensors"]));
});

test("busy answers are waited out, as long as the hub says", async (t) => {
  const { server, open } = await setting(t, { "user/base": BASE });
  server.faults.push(
    { part: "/revision/", times: 2, status: 503 },
    { part: "/tree/", times: 1, status: 429, headers: { "retry-after": "0" } },
    { part: "/resolve/", times: 1, status: 429, headers: { ratelimit: `"api";r=0;t=1` } },
  );
  const began = performance.now();
  await pull(open(), "hf:user/base:config.json");
  assert.ok(performance.now() - began > 900, "RateLimit's second was waited for");
});

for (const [status, code, remedy] of [
  [429, "download_failed", /HF_TOKEN/],
  [500, "download_failed", /again later/],
  [403, "not_permitted", /HF_TOKEN/],
  [404, "file_not_found", /revision/],
] as const) {
  test(`a hub that answers ${status} to the end: ${code}`, async (t) => {
    const { server, open } = await setting(t, { "user/base": BASE });
    server.faults.push({ part: "/revision/", times: 99, status });
    await assert.rejects(pull(open(), "hf:user/base"), (error: Error & { code: string; remedy: string }) => {
      assert.equal(error.code, code);
      assert.match(error.message, new RegExp(`answers ${status} for user/base@main`));
      assert.match(error.remedy, remedy);
      return true;
    });
  });
}

test("a long Retry-After is told, not waited for", async (t) => {
  const { server, open } = await setting(t, { "user/base": BASE });
  server.faults.push({ part: "/revision/", times: 99, status: 429, headers: { "retry-after": "3600" } });
  await assert.rejects(pull(open(), "hf:user/base"), { code: "download_failed" });
  assert.equal(server.asked.length, 1);
});

test("a private repository needs the token, which is sent to the hub alone", async (t) => {
  const { open } = await setting(t, { "user/base": { ...BASE, token: "hf_secret" } });
  await assert.rejects(pull(open(), "hf:user/base"), (error: Error & { code: string; remedy: string }) => {
    assert.equal(error.code, "not_permitted");
    assert.match(error.remedy, /set HF_TOKEN/);
    return true;
  });
  await assert.rejects(pull(open({ token: "hf_other" }), "hf:user/base"), /401/);
  const store = await hubServer(t, { "user/base": BASE });
  const hub = await setting(t, { "user/base": { ...BASE, token: "hf_secret", store: store.url } });
  await pull(hub.open({ token: "hf_secret" }), "hf:user/base:config.json");
  assert.deepEqual(new Set(hub.server.tokens), new Set(["Bearer hf_secret"]));
  assert.deepEqual(store.tokens, [undefined]);
});

test("a hub that cannot be reached: the address, the reason, the way without it", async (t) => {
  const { open } = await setting(t, {});
  await assert.rejects(
    pull(open({ endpoint: "http://127.0.0.1:9" }), "hf:user/base"),
    (error: Error & { remedy: string }) => {
      assert.match(error.message, /127\.0\.0\.1:9 cannot be reached for user\/base@main: \S/);
      assert.match(error.remedy, /HF_HUB_OFFLINE=1/);
      return true;
    },
  );
});

test("of several GGUF files one is to be named; parts come together; a pickle is refused", async (t) => {
  const big = randomBytes(5000);
  const { open } = await setting(t, {
    "user/many": { files: { "m.Q4_0.gguf": big, "m.Q8_0.gguf": big, "config.json": text({}) } },
    "user/seeing": { files: { "m.gguf": big, "mmproj-m.gguf": randomBytes(5000) } },
    "user/parts": { files: { "q/m-00001-of-00002.gguf": big, "q/m-00002-of-00002.gguf": randomBytes(5000) } },
    "user/pickle": { files: { "config.json": text({}), "pytorch_model.bin": big } },
  });
  await assert.rejects(pull(open(), "hf:user/many"), (error: Error & { code: string; remedy: string }) => {
    assert.equal(error.code, "bad_arguments");
    assert.match(error.message, /m\.Q4_0\.gguf \(1 MB\), m\.Q8_0\.gguf/);
    assert.match(error.remedy, /hf:user\/many:m\.Q4_0\.gguf/);
    return true;
  });
  assert.deepEqual(names((await pull(open(), "hf:user/many:m.Q8_0.gguf")).files), ["m.Q8_0.gguf"]);
  assert.deepEqual(names((await pull(open(), "hf:user/seeing")).files), ["m.gguf"]);
  const parts = await pull(open(), "hf:user/parts:q");
  assert.deepEqual(names(parts.files), ["q/m-00001-of-00002.gguf", "q/m-00002-of-00002.gguf"]);
  assert.ok(parts.path.endsWith("q/m-00001-of-00002.gguf"));
  await assert.rejects(pull(open(), "hf:user/pickle"), { code: "file_not_found", remedy: /pickle/ });
  await assert.rejects(pull(open(), "hf:user/many:nothing"), { code: "file_not_found", remedy: /m\.Q8_0\.gguf/ });
});

test("a mixture brings the adapters of its experts, from its own repository and from others", async (t) => {
  const adapter = { "adapter_config.json": text({}), "adapter_model.safetensors": randomBytes(5000) };
  const under = (folder: string) => Object.fromEntries(Object.entries(adapter).map(([k, v]) => [`${folder}/${k}`, v]));
  const experts = [{ name: "base" }, { name: "a", adapter: "../../adapters/a" }, { name: "b", adapter: "hf:user/b" }];
  const { open } = await setting(t, {
    "user/mix": {
      files: {
        "mixtures/default/mixture.json": text({ experts }),
        "mixtures/default/router.safetensors": randomBytes(5000),
        ...under("adapters/a"),
        ...under("adapters/unused"),
      },
    },
    "user/b": { files: { ...adapter, "README.md": text("b"), "checkpoint-10/optimizer.pt": randomBytes(9000) } },
  });
  const pulled = await pullWhole(open(), parseHubReference("hf:user/mix:mixtures/default"));
  assert.deepEqual(
    pulled.map(({ files }) => names(files)),
    [
      ["mixtures/default/mixture.json", "mixtures/default/router.safetensors"],
      ["adapters/a/adapter_config.json", "adapters/a/adapter_model.safetensors"],
      ["adapter_config.json", "adapter_model.safetensors"],
    ],
  );
});
