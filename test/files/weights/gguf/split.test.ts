// A GGUF in parts: the same tensors as the whole one, whichever part is named; parts that are missing or foreign.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemorySource } from "../../../../files/source.ts";
import { readGguf } from "../../../../files/weights/gguf/gguf.ts";
import { type GgufTensor, type TypedValue, writeGguf } from "../../../../files/weights/gguf/gguf_write.ts";
import { raises } from "../../../raises.ts";
import { MemoryFolder } from "../build_files.ts";

const TENSORS: GgufTensor[] = ["output_norm.weight", "blk.0.ffn_norm.weight", "blk.0.attn_norm.weight"].map(
  (name, i) => ({ name, type: "f32", shape: [4], bytes: new Uint8Array(16).fill(i + 1) }),
);
const NAMES = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"];

function part(number: number, count: number, tensors: GgufTensor[], more: [string, TypedValue][] = []): Uint8Array {
  const split: [string, TypedValue][] = [
    ["split.no", { type: "u16", value: number }],
    ["split.count", { type: "u16", value: count }],
    ["split.tensors.count", { type: "i32", value: TENSORS.length }],
  ];
  return writeGguf(new Map([...more, ...split]), tensors);
}

const ARCHITECTURE: [string, TypedValue] = ["general.architecture", { type: "string", value: "qwen-of-tomorrow" }];

function parts(): Record<string, Uint8Array> {
  return {
    [NAMES[0]]: part(0, 2, TENSORS.slice(0, 1), [ARCHITECTURE]),
    [NAMES[1]]: part(1, 2, TENSORS.slice(1)),
  };
}

function read(files: Record<string, Uint8Array>, name = NAMES[0]) {
  const folder = new MemoryFolder(files);
  return readGguf(new MemorySource(`/somewhere/${name}`, files[name]), (beside) => folder.open(beside));
}

test("any part opens all of them, with the metadata of the first", async () => {
  for (const name of NAMES) {
    const { metadata, tensors } = await read(parts(), name);
    assert.equal(metadata.get("general.architecture"), "qwen-of-tomorrow");
    assert.equal(tensors.tensors.size, 3);
    for (const [hf, byte] of [
      ["model.norm.weight", 1],
      ["model.layers.0.post_attention_layernorm.weight", 2],
      ["model.layers.0.input_layernorm.weight", 3],
    ] as const) {
      assert.deepEqual(await tensors.tensors.get(hf)?.readRows(0, 1), new Uint8Array(16).fill(byte));
    }
  }
});

test("parts that are missing, renamed or of another model", async () => {
  const files = parts();
  await raises("file_not_found", /m-00002-of-00002\.gguf is not there/, () => read({ [NAMES[0]]: files[NAMES[0]] }));
  await raises("file_not_found", /is not there/, () => readGguf(new MemorySource(NAMES[0], files[NAMES[0]])));
  await raises("header_invalid", /one of 2 parts, which its name/, () => read({ "m.gguf": files[NAMES[0]] }, "m.gguf"));
  const turned = { [NAMES[0]]: files[NAMES[1]], [NAMES[1]]: files[NAMES[0]] };
  await raises("header_invalid", /says it is part 1 \(from 0\) of 2/, () => read(turned));
  const fewer = { ...files, [NAMES[1]]: part(1, 2, TENSORS.slice(1, 2)) };
  await raises("tensor_missing", /3 tensors were cut, the parts have 2/, () => read(fewer));
  const twice = { ...files, [NAMES[1]]: part(1, 2, TENSORS.slice(0, 2)) };
  await raises("header_invalid", /both stand for model\.norm/, () => read(twice));
});
