// Safetensors: what is honest is read by positions, what lies is refused by name.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemorySource } from "../../../../files/source.ts";
import { readSafetensors } from "../../../../files/weights/safetensors/safetensors.ts";
import { raises } from "../../../raises.ts";
import { CountingSource, f32Safetensors, safetensorsBytes } from "../build_files.ts";

const open = (bytes: Uint8Array) => readSafetensors(new MemorySource("w.safetensors", bytes));
const entry = (dtype: string, shape: unknown, data_offsets: unknown) => ({ dtype, shape, data_offsets });
const refused = (header: unknown, dataBytes: number, stated?: bigint) => () =>
  open(safetensorsBytes(header, new Uint8Array(dataBytes), stated));

test("tensors come back by name, type, shape and rows", async () => {
  const header = {
    __metadata__: { format: "pt" },
    half: entry("F16", [2, 3], [0, 12]),
    brain: entry("BF16", [2], [12, 16]),
    scalar: entry("F32", [], [16, 20]),
    empty: entry("F32", [0, 4], [20, 20]),
  };
  const data = Uint8Array.from({ length: 20 }, (_, i) => i);
  const { tensors } = await open(safetensorsBytes(header, data));
  assert.deepEqual([...tensors.keys()], ["half", "brain", "scalar", "empty"]);
  assert.deepEqual(
    [tensors.get("half")?.type, tensors.get("half")?.shape, tensors.get("half")?.bytes],
    ["f16", [2, 3], 12],
  );
  assert.deepEqual(await tensors.get("half")?.readRows(1, 2), data.subarray(6, 12));
  assert.deepEqual(await tensors.get("brain")?.readRows(0, 1), data.subarray(12, 16));
  assert.deepEqual(await tensors.get("scalar")?.readRows(0, 1), data.subarray(16, 20));
  assert.deepEqual(await tensors.get("empty")?.readRows(0, 0), new Uint8Array(0));
  await raises("tensor_out_of_range", /half: rows 1\.\.3/, () => tensors.get("half")?.readRows(1, 3));
});

test("opening reads the header and nothing else", async () => {
  const values = new Float32Array(1 << 16);
  const source = new CountingSource(new MemorySource("w", f32Safetensors({ w: { shape: [256, 256], values } })));
  const { tensors } = await readSafetensors(source);
  assert.ok(source.bytesRead < 200, `${source.bytesRead} bytes read`);
  await tensors.get("w")?.readRows(3, 5);
  assert.ok(source.bytesRead < 200 + 2 * 256 * 4 + 1);
});

test("a type that is not read is refused by tensor and name, or listed where asked", async () => {
  const bytes = safetensorsBytes(
    { ids: entry("I64", [2], [0, 16]), w: entry("F32", [1], [16, 20]) },
    new Uint8Array(20),
  );
  await raises("unsupported_dtype", /tensor ids is stored as I64/, () => open(bytes));
  const listed = await readSafetensors(new MemorySource("w", bytes), { otherTypes: "list" });
  assert.deepEqual([...listed.tensors.keys()], ["w"]);
  assert.deepEqual([...(listed.unsupported ?? [])], [["ids", "I64"]]);
});

test("header lengths that lie", async () => {
  await raises("header_too_large", /10000000000 bytes/, refused({}, 0, 10_000_000_000n));
  await raises("header_too_large", /18446744073709552000/, refused({}, 0, 0xffffffffffffffffn));
  await raises("file_truncated", /the file has/, refused({}, 0, 1000n));
  await raises("file_truncated", /0\.\.8/, () => open(new Uint8Array(7)));
  await raises("header_invalid", /not JSON/, refused({ a: entry("F32", [1], [0, 4]) }, 4, 9n));
});

test("headers that are no directory", async () => {
  for (const text of ["", "null", "[]", "7", "{", '{"a":1}', '{"a":{}}', '{"__metadata__":{"a":1}}', "\xff"]) {
    await raises("header_invalid", /w\.safetensors/, refused(text, 0));
  }
  await raises("header_invalid", /not JSON/, refused(`${"[".repeat(1e5)}`, 0));
  await raises("header_invalid", /no directory entry/, refused(`{"a":${"[".repeat(1e5)}${"]".repeat(1e5)}}`, 0));
});

test("a name that appears twice, however it is written", async () => {
  const one = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
  await raises("header_invalid", /twice/, refused(`{"a":${one},"a":${one}}`, 4));
  await raises("header_invalid", /twice/, refused(`{"a":${one},"\\u0061" : ${one}}`, 4));
  await raises(
    "header_invalid",
    /twice/,
    refused('{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}', 4),
  );
  const quoted = await open(safetensorsBytes(`{"a\\":\\"":${one}}`, new Uint8Array(4)));
  assert.deepEqual([...quoted.tensors.keys()], ['a":"']);
});

test("entries that make no sense", async () => {
  await raises("header_invalid", /unknown dtype Q9/, refused({ a: entry("Q9", [1], [0, 4]) }, 4));
  await raises("header_invalid", /unknown dtype toString/, refused({ a: entry("toString", [1], [0, 4]) }, 4));
  for (const shape of [[-1], [1.5], ["1"], "1", null, [2 ** 53], new Array(17).fill(1)]) {
    await raises("header_invalid", /tensor a: bad shape/, refused({ a: entry("F32", shape, [0, 4]) }, 4));
  }
  for (const offsets of [[0], [0, 4, 8], [0, -4], ["0", "4"], null]) {
    await raises("header_invalid", /bad data_offsets/, refused({ a: entry("F32", [1], offsets) }, 4));
  }
  await raises("header_invalid", /no whole number/, refused({ a: entry("F32", [2 ** 40, 2 ** 40], [0, 4]) }, 4));
});

test("offsets that lie", async () => {
  await raises("header_invalid", /takes 8 bytes, the header gives it 4/, refused({ a: entry("F32", [2], [0, 4]) }, 4));
  await raises("tensor_out_of_range", /tensor a/, refused({ a: entry("F32", [1], [4, 0]) }, 4));
  await raises("tensor_out_of_range", /tensor a/, refused({ a: entry("F32", [1], [0, 1e10]) }, 4));
  await raises("tensor_out_of_range", /tensor a/, refused({ a: entry("F32", [1], [1e10, 1e10 + 4]) }, 4));
  const twice = { a: entry("F32", [2], [0, 8]), b: entry("F32", [2], [4, 12]) };
  await raises("tensor_overlap", /a and b/, refused(twice, 12));
  await raises(
    "tensor_overlap",
    /share bytes/,
    refused({ a: entry("F32", [1], [0, 4]), b: entry("F32", [1], [0, 4]) }, 4),
  );
  await raises("header_invalid", /belong to no tensor/, refused({ a: entry("F32", [1], [4, 8]) }, 8));
  await raises("header_invalid", /after the last tensor/, refused({ a: entry("F32", [1], [0, 4]) }, 5));
});

test("a file cut anywhere is called truncated", async () => {
  const whole = f32Safetensors({
    a: { shape: [4], values: new Float32Array(4) },
    b: { shape: [2, 2], values: new Float32Array(4) },
  });
  for (let length = 0; length < whole.length; length++) {
    await raises("file_truncated", /w\.safetensors/, () => open(whole.subarray(0, length)));
  }
  assert.equal((await open(whole)).tensors.size, 2);
});
