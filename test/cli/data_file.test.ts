// Data files as editors and machines leave them: bytes that are no text are named by their line, byte order marks are not.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { readRows } from "../../cli/training/data_file.ts";
import type { MoloraError } from "../../proto/errors.ts";
import type { Row } from "../../training/data/rows.ts";

const folder = await mkdtemp(join(tmpdir(), "molora-data-"));
after(() => rm(folder, { recursive: true }));

async function read(bytes: Uint8Array, name = "data.jsonl", onBadRow?: (error: MoloraError) => void): Promise<Row[]> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  const rows: Row[] = [];
  for await (const row of readRows(path, onBadRow)) rows.push(row);
  return rows;
}

const texts = (rows: readonly Row[]) => rows.map((row) => (row.kind === "text" ? row.text : row.kind));
const row = (text: string) => JSON.stringify({ text });

test("a byte order mark, CRLF, empty lines and a last line without its end", async () => {
  const data = Buffer.from(`\uFEFF${row("a")}\r\n\r\n  \n${row("é😀")}\n\n${row("c")}`);
  const rows = await read(data);
  assert.deepEqual(texts(rows), ["a", "é😀", "c"]);
  assert.deepEqual(
    rows.map(({ where }) => where),
    ["data.jsonl line 1", "data.jsonl line 4", "data.jsonl line 6"],
  );
  assert.deepEqual(texts(await read(gzipSync(data), "data.jsonl.gz")), ["a", "é😀", "c"]);
});

test("characters and lines across the pieces a file is read in", async () => {
  const long = "é".repeat(100_000);
  const rows = await read(Buffer.from(Array.from({ length: 5 }, (_, i) => row(`${i}${long}`)).join("\n")));
  assert.deepEqual(
    texts(rows),
    Array.from({ length: 5 }, (_, i) => `${i}${long}`),
  );
});

test("bytes that are not UTF-8 are refused by line", async () => {
  const bad = (bytes: number[]) => Buffer.concat([Buffer.from('{"text":"'), Buffer.from(bytes), Buffer.from('"}')]);
  for (const bytes of [[0xff], [0xe9], [0xed, 0xa0, 0x80], [0xc3]]) {
    const data = Buffer.concat([Buffer.from(`${row("a")}\n`), bad(bytes), Buffer.from(`\n${row("b")}\n`)]);
    await assert.rejects(read(data), { code: "data_invalid", message: "data.jsonl line 2 is not UTF-8" });
    const errors: string[] = [];
    const rows = await read(data, "data.jsonl", (error) => errors.push(error.message));
    assert.deepEqual(texts(rows), ["a", "b"]);
    assert.deepEqual(errors, ["data.jsonl line 2 is not UTF-8"]);
  }
});

test("UTF-16, as some editors save it, is refused at its first line", async () => {
  await assert.rejects(read(Buffer.from(`\uFEFF${row("a")}\n`, "utf16le")), {
    code: "data_invalid",
    message: "data.jsonl line 1 is not UTF-8",
  });
});
