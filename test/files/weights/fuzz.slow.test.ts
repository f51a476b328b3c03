// 10,000 damaged or invented headers for each reader: a typed error or a file that reads, and nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type ByteSource, MemorySource } from "../../../files/source.ts";
import { readGguf } from "../../../files/weights/gguf/gguf.ts";
import { type TypedValue, writeGguf } from "../../../files/weights/gguf/gguf_write.ts";
import { readSafetensors } from "../../../files/weights/safetensors/safetensors.ts";
import { STORED } from "../../../files/weights/stored/formats.ts";
import { rowCount, type TensorSource } from "../../../files/weights/tensor.ts";
import { MoloraError } from "../../../proto/errors.ts";
import { CountingSource, safetensorsBytes } from "./build_files.ts";

const RUNS = 10_000;

/** One kind of damage; positions are fractions of the file, so that they stay in it. */
type Damage =
  | { kind: "byte"; at: number; value: number }
  | { kind: "u32" | "u64"; at: number; value: bigint }
  | { kind: "cut"; at: number }
  | { kind: "repeat"; at: number; length: number };

const at = fc.double({ min: 0, max: 0.999999, noNaN: true });
const edge = fc.constantFrom(
  0n,
  1n,
  2n,
  31n,
  255n,
  2n ** 20n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
);
const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant("byte" as const), at, value: fc.nat(255) }),
  fc.record({ kind: fc.constantFrom("u32" as const, "u64" as const), at, value: edge }),
  fc.record({ kind: fc.constant("cut" as const), at }),
  fc.record({ kind: fc.constant("repeat" as const), at, length: fc.nat(64) }),
);

function damaged(valid: Uint8Array, damages: Damage[]): Uint8Array {
  let bytes = valid.slice();
  for (const one of damages) {
    const position = Math.floor(one.at * bytes.length);
    if (one.kind === "cut") bytes = bytes.slice(0, position);
    else if (one.kind === "repeat") {
      const again = bytes.subarray(position, position + one.length);
      bytes = new Uint8Array(Buffer.concat([bytes.subarray(0, position), again, bytes.subarray(position)]));
    } else if (one.kind === "byte") bytes[position] = one.value;
    else {
      for (let i = 0; i < (one.kind === "u32" ? 4 : 8) && position + i < bytes.length; i++) {
        bytes[position + i] = Number((one.value >> BigInt(8 * i)) & 0xffn);
      }
    }
    if (bytes.length === 0) break;
  }
  return bytes;
}

let opened = 0;
let refused = 0;

/** Opens `bytes` and reads every tensor whole; only a MoloraError may stop it, and little may be read for it. */
async function survives(read: (source: ByteSource) => Promise<TensorSource>, bytes: Uint8Array): Promise<void> {
  const source = new CountingSource(new MemorySource("fuzz", bytes));
  try {
    const { tensors } = await read(source);
    assert.ok(source.bytesRead <= bytes.length, "the header was read more than once");
    for (const tensor of tensors.values()) {
      const elements = tensor.shape.reduce((product, size) => product * size, 1);
      const rows = await tensor.readRows(0, rowCount(tensor.shape));
      assert.equal(rows.length, tensor.bytes);
      assert.equal(rows.length, (elements / STORED[tensor.type].elements) * STORED[tensor.type].bytes);
    }
    opened++;
  } catch (error) {
    if (!(error instanceof MoloraError)) throw error;
    refused++;
  }
  assert.ok(source.bytesRead <= 2 * bytes.length, `${source.bytesRead} bytes read of a file of ${bytes.length}`);
}

async function fuzz(read: (source: ByteSource) => Promise<TensorSource>, inputs: fc.Arbitrary<Uint8Array>) {
  opened = 0;
  refused = 0;
  await fc.assert(
    fc.asyncProperty(inputs, (bytes) => survives(read, bytes)),
    { numRuns: RUNS },
  );
  // Both ways out must have been taken, or the inputs test nothing.
  assert.ok(opened > RUNS / 100 && refused > RUNS / 4, `${opened} opened, ${refused} refused`);
}

const GGUF = writeGguf(
  new Map<string, TypedValue>([
    ["general.architecture", { type: "string", value: "llama" }],
    ["llama.embedding_length", { type: "u32", value: 32 }],
    ["llama.attention.head_count", { type: "u32", value: 4 }],
    ["general.alignment", { type: "u32", value: 32 }],
    ["tokens", { type: "array", of: "string", value: ["a", "b"] }],
    ["scores", { type: "array", of: "f32", value: [1, 2] }],
  ]),
  [
    { name: "blk.0.attn_q.weight", type: "q8_0", shape: [32, 32], bytes: new Uint8Array(1088) },
    { name: "output_norm.weight", type: "f32", shape: [32], bytes: new Uint8Array(128) },
  ],
);

test("GGUF", async () => {
  const random = fc.uint8Array({ maxLength: 200 });
  const begun = random.map((bytes) => Uint8Array.of(0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0, ...bytes));
  const mutated = fc.array(damage, { maxLength: 4 }).map((damages) => damaged(GGUF, damages));
  const read = async (source: ByteSource) => (await readGguf(source)).tensors;
  await fuzz(
    read,
    fc.oneof({ weight: 8, arbitrary: mutated }, { weight: 1, arbitrary: begun }, { weight: 1, arbitrary: random }),
  );
});

test("safetensors", async () => {
  const header = {
    __metadata__: { format: "pt" },
    a: { dtype: "F32", shape: [2, 4], data_offsets: [0, 32] },
    b: { dtype: "BF16", shape: [3], data_offsets: [32, 38] },
  };
  const valid = safetensorsBytes(header, new Uint8Array(38));
  const mutated = fc.array(damage, { maxLength: 3 }).map((damages) => damaged(valid, damages));
  const size = fc.oneof(fc.nat(64), fc.constantFrom(-1, 0.5, 1e10, 2 ** 53, 2 ** 63, 1e308));
  const entry = fc.record(
    {
      dtype: fc.oneof(fc.constantFrom("F32", "F16", "BF16", "I64", "F4", "__proto__"), fc.jsonValue()),
      shape: fc.oneof(fc.array(size, { maxLength: 4 }), fc.jsonValue()),
      data_offsets: fc.oneof(fc.tuple(size, size), fc.jsonValue()),
    },
    { requiredKeys: [] },
  );
  const names = fc.oneof(fc.string(), fc.constantFrom("__proto__", "__metadata__", "constructor", '"'));
  const invented = fc
    .tuple(fc.dictionary(names, fc.oneof(entry, fc.jsonValue()), { maxKeys: 4 }), fc.nat(64))
    .map(([tensors, data]) => safetensorsBytes(tensors, new Uint8Array(data)));
  const random = fc.uint8Array({ maxLength: 100 });
  const read = (source: ByteSource) => readSafetensors(source, { otherTypes: "list" });
  await fuzz(
    read,
    fc.oneof({ weight: 5, arbitrary: mutated }, { weight: 4, arbitrary: invented }, { weight: 1, arbitrary: random }),
  );
});
