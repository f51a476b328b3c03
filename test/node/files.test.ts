// Files of this machine: positioned reads, nothing outside a folder, and no descriptor left open.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readlink, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { DirectoryFolder, FileSource, openPath } from "../../node/files.ts";
import { raises } from "../raises.ts";

const root = await mkdtemp(join(tmpdir(), "molora-files-"));
const file = join(root, "inside", "data.bin");
await mkdir(join(root, "inside"));
await writeFile(
  file,
  Uint8Array.from({ length: 1000 }, (_, i) => i % 256),
);
await writeFile(join(root, "outside.txt"), "secret");
after(() => rm(root, { recursive: true }));

test("reads at positions, many at once", async () => {
  const source = (await FileSource.open(file)) ?? assert.fail();
  assert.equal(source.size, 1000);
  const reads = await Promise.all(Array.from({ length: 50 }, (_, i) => source.read(i * 20, 20)));
  for (const [i, bytes] of reads.entries()) {
    assert.deepEqual([bytes[0], bytes[19]], [(i * 20) % 256, (i * 20 + 19) % 256]);
  }
  assert.equal((await source.read(1000, 0)).length, 0);
  await raises("file_truncated", /990\.\.1010/, () => source.read(990, 20));
  await raises("file_truncated", /data\.bin/, () => source.read(-1, 2));
});

test("a file knows those beside it, and no others", async () => {
  const source = (await FileSource.open(file)) ?? assert.fail();
  assert.equal((await source.beside("data.bin"))?.size, 1000);
  assert.equal(await source.beside("absent.bin"), undefined);
  await raises("not_permitted", /leads out of/, () => source.beside("../outside.txt"));
});

test("a file that is idle is closed, and opens again for the next read", async (t) => {
  if (process.platform !== "linux") return t.skip("descriptors are counted in /proc");
  const path = join(root, "idle");
  await writeFile(path, "idle");
  const descriptors = async () => {
    const all = await readdir("/proc/self/fd");
    const targets = await Promise.all(all.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "closed")));
    return targets.filter((target) => target === path).length;
  };
  const source = (await FileSource.open(path)) ?? assert.fail();
  await Promise.all([source.read(0, 1), source.read(1, 1)]);
  assert.equal(await descriptors(), 1);
  for (let tries = 0; tries < 50 && (await descriptors()) > 0; tries++) await wait(100);
  assert.equal(await descriptors(), 0);
  assert.equal(new TextDecoder().decode(await source.read(1, 3)), "dle");
});

test("a file that shrinks under a reader", async () => {
  const path = join(root, "shrinks");
  await writeFile(path, new Uint8Array(100));
  const source = (await FileSource.open(path)) ?? assert.fail();
  await truncate(path, 50);
  await raises("file_truncated", /became shorter/, () => source.read(0, 100));
});

test("a folder gives its own files and nothing outside", async () => {
  const folder = new DirectoryFolder(join(root, "inside"));
  assert.equal((await folder.open("data.bin"))?.size, 1000);
  assert.equal((await folder.open("./x/../data.bin"))?.size, 1000);
  assert.equal(await folder.open("absent"), undefined);
  assert.equal(await folder.open("."), undefined);
  assert.deepEqual(await folder.list(), ["data.bin"]);
  for (const path of ["../outside.txt", "x/../../outside.txt", join(root, "outside.txt"), "..", "a\0b"]) {
    await raises("not_permitted", /leads out of/, () => folder.open(path));
  }
});

test("links in a folder are followed, as in the Hugging Face cache", async () => {
  await symlink(join(root, "outside.txt"), join(root, "link.txt"));
  assert.equal((await new DirectoryFolder(root).open("link.txt"))?.size, 6);
});

test("a path is a file or a folder, or not found", async () => {
  assert.ok((await openPath(file)) instanceof FileSource);
  assert.ok((await openPath(root)) instanceof DirectoryFolder);
  await raises("file_not_found", /no file or folder .*absent/, () => openPath(join(root, "absent")));
  await raises("file_not_found", /./, () => openPath(join(file, "below")));
  await raises("file_not_found", /gone/, () => new DirectoryFolder(join(root, "gone")).list());
});
