// Tiny models whose matrices are packed by GPTQ, AWQ and bitsandbytes: every value of theirs, and what they compute with and
// without an adapter, against test/fixtures/scripts/packed_models.py. On the CPU, and one of each device format on the GPU.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { openModelFiles } from "../../files/model_files/model_files.ts";
import { dequantizeRows } from "../../files/weights/stored/dequantize.ts";
import type { StoredType } from "../../files/weights/stored/formats.ts";
import type { StoredTensor } from "../../files/weights/tensor.ts";
import { DirectoryFolder } from "../../node/files.ts";
import { onEachHost } from "./each_device.ts";
import { checkLogprobs, type Fixture, openEngine } from "./parity.ts";

const MODELS = "test/fixtures/packed";
const ON_GPU = ["gptq-asymmetric", "gptq-symmetric", "nf4-double"];

/** What each is read as. */
const TYPES: Record<string, StoredType> = {
  awq: "u4x128",
  "awq-groups-of-64": "u4x32",
  fp4: "f16",
  "gptq-8-bits": "q8_0",
  "gptq-8-bits-asymmetric": "f16",
  "gptq-act-order": "f16",
  "gptq-asymmetric": "u4x128",
  "gptq-one-group": "u4x128",
  "gptq-symmetric": "q4_0",
  "gptq-v2-groups-of-32": "u4x32",
  "nf4-bfloat16": "bf16",
  "nf4-double": "f32",
};

interface PackedFixture extends Fixture {
  context: number;
  /** SHA-256 of the float32 values of every packed matrix. */
  weights: Record<string, string>;
}

test("every model of the fixtures has its type here", () => {
  assert.deepEqual(readdirSync(MODELS).sort(), Object.keys(TYPES).sort());
});

for (const [name, type] of Object.entries(TYPES)) {
  const folder = `${MODELS}/${name}`;
  const fixture: PackedFixture = JSON.parse(readFileSync(`${folder}/expected.json`, "utf8"));

  test(`${name}: every packed matrix has the reference's values to the last bit, read whole and by rows`, async () => {
    const { tensors } = await openModelFiles(new DirectoryFolder(folder));
    for (const [module, digest] of Object.entries(fixture.weights)) {
      const tensor = tensors.tensors.get(module);
      assert.equal(tensor?.type, type, module);
      const whole = await valuesOf(tensor, 0, tensor.shape[0]);
      assert.equal(createHash("sha256").update(whole).digest("hex"), digest, module);
      const last = await valuesOf(tensor, tensor.shape[0] - 1, tensor.shape[0]);
      assert.deepEqual(last, whole.subarray(whole.length - last.length));
    }
    const packed = Object.keys(fixture.weights).length;
    assert.ok(packed >= 6 && packed <= 7, `${packed} matrices`);
  });

  onEachHost(
    `${name}: log-probabilities, with an adapter of PEFT and without, equal the reference's`,
    async (device) => {
      const options = { model: folder, contextLength: fixture.context, activations: "f32", ...device } as const;
      const engine = await openEngine(fixture, { adapters: `${folder}/adapters` }, options);
      try {
        const worst = await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
        console.log(`${name}: largest error ${worst.toExponential(1)} nats`);
      } finally {
        await engine.close();
      }
    },
    ON_GPU.includes(name) ? ["cpu", "gpu"] : ["cpu"],
  );
}

/** Rows as float32 bytes; a zero has no sign, which no sum shows. */
async function valuesOf(tensor: StoredTensor, from: number, to: number): Promise<Uint8Array> {
  const values = new Float32Array((to - from) * tensor.shape[1]);
  dequantizeRows(tensor.type, await tensor.readRows(from, to), values);
  for (let i = 0; i < values.length; i++) values[i] += 0;
  return new Uint8Array(values.buffer);
}
