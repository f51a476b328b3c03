// The disk cache: its budget, damage to its files, a process killed in the middle of a write, a disk that takes no more.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { DiskCache } from "../../../node/sources/disk_cache.ts";

const bytes = (fill: number, length = 1000) => new Uint8Array(length).fill(fill);

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "molora-cache-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test("what is put is found again, by another cache of the folder too", async (t) => {
  const path = folder(t);
  const key = await new DiskCache(path, 10_000).put(bytes(1));
  const other = new DiskCache(path, 10_000);
  assert.deepEqual(await other.get(key), bytes(1));
  assert.equal(await other.get("0".repeat(64)), undefined);
  await other.setNote("x", { a: 1 });
  assert.deepEqual(await other.note("x"), { a: 1 });
  assert.equal(await other.note("y"), undefined);
});

test("beyond the budget what was longest unused goes, across processes", async (t) => {
  const path = folder(t);
  const cache = new DiskCache(path, 3000);
  const keys = [await cache.put(bytes(1)), await cache.put(bytes(2)), await cache.put(bytes(3))];
  const old = (key: string, seconds: number) => utimesSync(join(path, "blobs", key), seconds, seconds);
  for (const [i, key] of keys.entries()) old(key, 1000 + i);
  const later = new DiskCache(path, 3000);
  await later.get(keys[0]);
  const fourth = await later.put(bytes(4));
  assert.deepEqual(await Promise.all([...keys, fourth].map(async (key) => (await later.get(key)) !== undefined)), [
    true,
    false,
    true,
    true,
  ]);
  assert.ok(later.stats.bytes <= 3000 && later.stats.evictions === 1);
  await later.put(bytes(5, 4000));
  assert.equal(later.stats.evictions, 1, "what is longer than the budget pushes nothing out");
});

test("a truncated or changed file counts as absent, is told of, and goes", async (t) => {
  const path = folder(t);
  const told: string[] = [];
  const cache = new DiskCache(path, 10_000, (problem) => told.push(problem));
  const [short, changed] = [await cache.put(bytes(1)), await cache.put(bytes(2))];
  truncateSync(join(path, "blobs", short), 500);
  writeFileSync(join(path, "blobs", changed), bytes(9));
  assert.deepEqual([await cache.get(short), await cache.get(changed)], [undefined, undefined]);
  assert.equal(cache.stats.damaged, 2);
  assert.match(told.join(), /damaged/);
  assert.ok(!existsSync(join(path, "blobs", short)));
  assert.equal(await cache.put(bytes(1)), short);
  assert.deepEqual(await cache.get(short), bytes(1));
});

test("a process killed while it writes leaves nothing that is taken for a file", async (t) => {
  const path = folder(t);
  const script = `
    import { DiskCache } from ${JSON.stringify(new URL("../../../node/sources/disk_cache.js", import.meta.url).href)};
    const cache = new DiskCache(${JSON.stringify(path)}, 1e12);
    await cache.put(new Uint8Array(10));
    console.log("writing");
    for (let i = 0; ; i++) await cache.put(new Uint8Array(3_000_000).fill(i));`;
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, 20 + 30 * round));
    child.kill("SIGKILL");
    await once(child, "exit");
    const cache = new DiskCache(path, 1e12);
    for (const name of readdirSync(join(path, "blobs"))) {
      if (name.endsWith(".part")) continue;
      assert.ok(await cache.get(name), `${name} is whole`);
    }
    assert.equal(cache.stats.damaged, 0);
  }
  const parts = readdirSync(join(path, "blobs")).filter((name) => name.endsWith(".part"));
  for (const part of parts) utimesSync(join(path, "blobs", part), 1, 1);
  await new DiskCache(path, 1e12).get("0".repeat(64));
  assert.ok(!readdirSync(join(path, "blobs")).some((name) => name.endsWith(".part")), "old rests are removed");
});

test("where nothing can be written, contents are not kept, and that is all", async (t) => {
  const path = join(folder(t), "file");
  writeFileSync(path, "in the way");
  const told: string[] = [];
  const cache = new DiskCache(path, 10_000, (problem) => told.push(problem));
  const key = await cache.put(bytes(1));
  await cache.setNote("x", 1);
  assert.equal(await cache.get(key), undefined);
  assert.match(told.join(), /cannot keep a file \(E\w+\).*cannot keep a note/);
  assert.equal(cache.stats.bytes, 0);
});
