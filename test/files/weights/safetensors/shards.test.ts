// A sharded model reads as one; an index and shards that disagree are refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readShardedSafetensors } from "../../../../files/weights/safetensors/shards.ts";
import { raises } from "../../../raises.ts";
import { f32Safetensors, MemoryFolder, safetensorsBytes } from "../build_files.ts";

const vector = (...values: number[]) => ({ shape: [values.length], values: Float32Array.from(values) });
const index = (weight_map: unknown) => JSON.stringify({ metadata: { total_size: 0 }, weight_map });
const shards = {
  "1.safetensors": f32Safetensors({ a: vector(1, 2), extra: vector(9) }),
  "2.safetensors": f32Safetensors({ b: vector(3) }),
};
const read = (files: Record<string, string | Uint8Array>) => readShardedSafetensors(new MemoryFolder(files));

test("tensors of all shards, each from the file the index names", async () => {
  const map = { a: "1.safetensors", b: "2.safetensors" };
  const { tensors } = await read({ ...shards, "model.safetensors.index.json": index(map) });
  assert.deepEqual([...tensors.keys()].sort(), ["a", "b"]);
  assert.deepEqual(await tensors.get("b")?.readRows(0, 1), new Uint8Array(Float32Array.of(3).buffer));
});

test("a single file needs no index, and unwanted types are listed", async () => {
  const header = { ids: { dtype: "I64", shape: [1], data_offsets: [0, 8] } };
  const { unsupported } = await read({ "model.safetensors": safetensorsBytes(header, new Uint8Array(8)) });
  assert.equal(unsupported?.get("ids"), "I64");
});

test("what does not fit together", async () => {
  const name = "model.safetensors.index.json";
  await raises("file_not_found", /neither/, () => read({}));
  await raises("header_invalid", /not JSON/, () => read({ [name]: "{" }));
  for (const map of [undefined, {}, { a: 1 }, { a: "../1.safetensors" }, { a: "/etc/passwd" }, { a: "x\\y" }]) {
    await raises("header_invalid", /weight_map/, () => read({ [name]: index(map) }));
  }
  await raises("header_invalid", /weight_map/, () => read({ [name]: "null" }));
  await raises("file_not_found", /3\.safetensors/, () => read({ ...shards, [name]: index({ a: "3.safetensors" }) }));
  await raises("tensor_missing", /no tensor b/, () => read({ ...shards, [name]: index({ b: "1.safetensors" }) }));
});
