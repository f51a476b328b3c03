// GGUF: what a faithful writer made is read back, what lies is refused before it costs anything.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemorySource } from "../../../../files/source.ts";
import { TextList } from "../../../../files/text_list.ts";
import { readGguf } from "../../../../files/weights/gguf/gguf.ts";
import { readGgufHeader } from "../../../../files/weights/gguf/gguf_header.ts";
import { type GgufTensor, type TypedValue, writeGguf } from "../../../../files/weights/gguf/gguf_write.ts";
import { STORED, STORED_TYPES, type StoredType } from "../../../../files/weights/stored/formats.ts";
import { raises } from "../../../raises.ts";
import { CountingSource, GgufPieces } from "../build_files.ts";

const metadata = new Map<string, TypedValue>([
  ["general.architecture", { type: "string", value: "llama" }],
  ["llama.embedding_length", { type: "u32", value: 32 }],
  ["llama.attention.head_count", { type: "u32", value: 4 }],
  ["a.u8", { type: "u8", value: 200 }],
  ["a.i8", { type: "i8", value: -3 }],
  ["a.u16", { type: "u16", value: 60000 }],
  ["a.i16", { type: "i16", value: -300 }],
  ["a.i32", { type: "i32", value: -70000 }],
  ["a.f32", { type: "f32", value: 0.5 }],
  ["a.f64", { type: "f64", value: 0.1 }],
  ["a.u64", { type: "u64", value: 2n ** 63n }],
  ["a.i64", { type: "i64", value: -5n }],
  ["a.bool", { type: "bool", value: true }],
  ["a.tokens", { type: "array", of: "string", value: ["", "\ufeff", "Ġthe", "𝛼"] }],
  ["a.types", { type: "array", of: "i32", value: [1, -1] }],
]);

/** A tensor whose every byte is its position, so that rows can be told apart. */
function counted(name: string, type: StoredType, shape: number[]): GgufTensor {
  const elements = shape.reduce((product, size) => product * size, 1);
  const length = (elements / STORED[type].elements) * STORED[type].bytes;
  return { name, type, shape, bytes: Uint8Array.from({ length }, (_, i) => i % 251) };
}

test("metadata of every type and tensors of every type come back", async () => {
  const written = STORED_TYPES.filter((type) => STORED[type].ggml !== undefined).map((type) =>
    counted(`some.${type}`, type, [3, 256]),
  );
  written.push(counted("output_norm.weight", "f32", [32]));
  const file = await readGguf(new MemorySource("t.gguf", writeGguf(metadata, written)));
  for (const [key, { value }] of metadata) {
    const read = file.metadata.get(key);
    assert.deepEqual(read instanceof TextList ? [...read] : read, value, key);
  }
  for (const { name, type, shape, bytes } of written.slice(0, -1)) {
    const tensor = file.tensors.tensors.get(name);
    assert.deepEqual([tensor?.type, tensor?.shape, tensor?.bytes], [type, shape, bytes.length]);
    assert.deepEqual(await tensor?.readRows(1, 3), bytes.subarray(bytes.length / 3));
  }
  assert.equal(file.tensors.tensors.get("model.norm.weight")?.shape[0], 32);
});

test("llama's q and k rows are read in Hugging Face order, in any slice, quantised blocks whole", async () => {
  // 4 heads of 8 rows: stored row 2i + half of a head is Hugging Face row 4·half + i (LlamaModel.permute undone).
  const q = counted("blk.0.attn_q.weight", "q8_0", [32, 32]);
  const v = counted("blk.0.attn_v.weight", "q8_0", [32, 32]);
  const { tensors } = await readGguf(new MemorySource("t.gguf", writeGguf(metadata, [q, v])));
  const row = (tensor: GgufTensor, index: number) => tensor.bytes.subarray(index * 34, (index + 1) * 34);
  const expected: Uint8Array[] = [];
  for (let head = 0; head < 4; head++) {
    for (const half of [0, 1]) for (let i = 0; i < 4; i++) expected.push(row(q, head * 8 + i * 2 + half));
  }
  const read = tensors.tensors.get("model.layers.0.self_attn.q_proj.weight");
  for (const [from, to] of [
    [0, 32],
    [5, 6],
    [7, 19],
    [8, 16],
    [31, 32],
    [4, 4],
  ]) {
    const rows = await read?.readRows(from, to);
    assert.deepEqual(rows, new Uint8Array(Buffer.concat(expected.slice(from, to))), `rows ${from}..${to}`);
  }
  await raises("tensor_out_of_range", /rows 31\.\.33/, () => read?.readRows(31, 33));
  const straight = await tensors.tensors.get("model.layers.0.self_attn.v_proj.weight")?.readRows(1, 2);
  assert.deepEqual(straight, row(v, 1));
});

test("other architectures keep the order of their rows", async () => {
  const q = counted("blk.0.attn_q.weight", "f32", [8, 32]);
  const other = new Map<string, TypedValue>([["general.architecture", { type: "string", value: "qwen2" }]]);
  const { tensors } = await readGguf(new MemorySource("t.gguf", writeGguf(other, [q])));
  assert.deepEqual(await tensors.tensors.get("model.layers.0.self_attn.q_proj.weight")?.readRows(0, 8), q.bytes);
});

test("q rows that are no whole heads, and a head size that is not there", async () => {
  const q = counted("blk.0.attn_q.weight", "f32", [12, 32]);
  await raises("tensor_shape", /no heads of 8/, () => readGguf(new MemorySource("t", writeGguf(metadata, [q]))));
  const bare = new Map([...metadata].filter(([key]) => key !== "llama.embedding_length"));
  await raises("header_invalid", /no usable head size/, () => readGguf(new MemorySource("t", writeGguf(bare, [q]))));
});

test("a type that is not read is listed by ggml's name", async () => {
  const source = new GgufPieces().start(1, 0).tensor("output.weight", [256, 2], 16, 0).source(132);
  const { tensors } = await readGguf(source);
  assert.deepEqual([...(tensors.unsupported ?? [])], [["lm_head.weight", "IQ2_XXS"]]);
  assert.equal(tensors.tensors.size, 0);
});

test("opening a large file reads a window, not the tensors", async () => {
  const source = new CountingSource(new MemorySource("t", writeGguf(metadata, [counted("w", "f32", [512, 1024])])));
  await readGguf(source);
  assert.equal(source.bytesRead, 1 << 20);
});

test("a header longer than the first window is read in whole", async () => {
  const value = Array.from({ length: 100_000 }, (_, i) => `token ${i}`);
  const long = new Map<string, TypedValue>([["t", { type: "array", of: "string", value }]]);
  const header = await readGgufHeader(new MemorySource("t", writeGguf(long, [])));
  assert.equal([...(header.metadata.get("t") as TextList)].join(), value.join());
});

test("strings that are no UTF-8 each by itself are read each by itself", async () => {
  const value = ["caf\u00e9", "\u4f60", "ab"];
  const file = writeGguf(new Map<string, TypedValue>([["t", { type: "array", of: "string", value }]]), []);
  const at = Buffer.from(file).indexOf("\u4f60");
  const read = async () => [...((await readGgufHeader(new MemorySource("t", file))).metadata.get("t") as TextList)];
  assert.deepEqual(await read(), value);
  file[at + 2] = 0xe4; // Its last byte now begins a character that the next string ends.
  file.set([0xbd, 0xa0], at + 3 + 8);
  assert.deepEqual(await read(), ["caf\u00e9", "\ufffd\ufffd", "\ufffd\ufffd"]);
});

const header = (source: MemorySource) => () => readGgufHeader(source);
const pieces = () => new GgufPieces();

test("files that are no GGUF of this version", async () => {
  await raises("header_invalid", /begin with GGUF/, header(new MemorySource("x", new Uint8Array(64))));
  await raises("header_invalid", /version 1 /, header(pieces().start(0, 0, 1).source(0)));
  await raises("header_invalid", /version 4 /, header(pieces().start(0, 0, 4).source(0)));
  await raises("header_invalid", /big-endian/, header(pieces().start(0, 0, 0x03000000).source(0)));
  assert.equal((await readGgufHeader(pieces().start(0, 0).source(0))).tensors.length, 0);
});

test("claims beyond any model are refused before a byte is read for them", async () => {
  const huge = 2n ** 63n;
  await raises("header_too_large", /9223372036854775808 tensors/, header(pieces().start(huge, 0).source(0)));
  await raises("header_too_large", /metadata entries/, header(pieces().start(0, huge).source(0)));
  await raises("header_too_large", /10000000000 bytes in a string/, header(pieces().start(0, 1).u64(1e10).source(0)));
  const array = pieces().start(0, 1).text("k").u32(9).u32(0).u64(1e10);
  await raises("header_too_large", /10000000000 array elements/, header(array.source(0)));
  await raises("header_too_large", /bytes in a string/, header(pieces().start(1, 0).u64(5000).source(8192)));
});

test("claims that are allowed but not there", async () => {
  await raises("file_truncated", /inside its header/, header(pieces().start(9, 0).source(0)));
  await raises("file_truncated", /inside its header/, header(pieces().start(0, 1).u64(1e7).source(0)));
  const array = pieces().start(0, 1).text("k").u32(9).u32(4).u64(2e6);
  await raises("file_truncated", /inside its header/, header(array.source(64)));
  await raises("file_truncated", /inside its header/, header(new MemorySource("x", new Uint8Array(0))));
});

test("metadata that make no sense", async () => {
  await raises("header_invalid", /unknown metadata type 13/, header(pieces().start(0, 1).text("k").u32(13).source(64)));
  const nested = pieces().start(0, 1).text("k").u32(9).u32(9).u64(1);
  await raises("header_invalid", /arrays of arrays/, header(nested.source(64)));
  await raises("header_invalid", /boolean is 7/, header(pieces().start(0, 1).text("k").u32(7).raw([7]).source(64)));
  const twice = pieces().start(0, 2).text("k").u32(0).raw([1]).text("k").u32(0).raw([1]);
  await raises("header_invalid", /key k appears twice/, header(twice.source(64)));
  for (const alignment of [0, 1, 33, 2 ** 31]) {
    const stated = pieces().start(0, 1).text("general.alignment").u32(4).u32(alignment);
    await raises("header_invalid", /general\.alignment is/, header(stated.source(64)));
  }
});

test("directories that lie", async () => {
  const F32 = 0;
  const one = (dims: (number | bigint)[], type = F32, offset: number | bigint = 0) =>
    header(pieces().start(1, 0).tensor("w", dims, type, offset).source(128));
  await raises("header_invalid", /5 dimensions/, one([1, 1, 1, 1, 1]));
  await raises("header_invalid", /unknown type 99/, one([1], 99));
  await raises("header_invalid", /cannot have the shape \[33\]/, one([33], 8));
  await raises("header_invalid", /cannot have the shape/, one([2 ** 30, 2 ** 30], F32));
  await raises("header_invalid", /a dimension of w is/, one([2n ** 63n]));
  await raises("header_invalid", /the offset of w is/, one([1], F32, 2n ** 63n));
  await raises("tensor_out_of_range", /tensor w/, one([4], F32, 16));
  await raises("tensor_out_of_range", /tensor w/, one([4], F32, 1 << 20));
  await raises("file_truncated", /tensor w ends at byte 10000000000 /, one([2.5e9]));
  const overlap = pieces().start(2, 0).tensor("a", [16], F32, 0).tensor("b", [16], F32, 32);
  await raises("tensor_overlap", /a and b share bytes/, header(overlap.source(128)));
  const twice = pieces().start(2, 0).tensor("a", [8], F32, 0).tensor("a", [8], F32, 32);
  await raises("header_invalid", /name appears twice/, header(twice.source(128)));
  const alias = pieces().start(2, 0).tensor("output.weight", [8], F32, 0).tensor("lm_head.weight", [8], F32, 32);
  await raises("header_invalid", /both stand for lm_head/, () => readGguf(alias.source(128)));
});

test("a file cut anywhere is called truncated", async () => {
  const whole = writeGguf(metadata, [counted("a", "q4_1", [2, 32]), counted("b", "f32", [8])]);
  for (let length = 0; length < whole.length; length++) {
    await raises("file_truncated", /x/, header(new MemorySource("x", whole.subarray(0, length))));
  }
});
