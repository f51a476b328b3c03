// DoRA's gains against numbers of PEFT, and what has no direction to scale.

import assert from "node:assert/strict";
import { test } from "node:test";
import { settleAdapter } from "../../../engine/adapters/settle.ts";
import { allocateFrom } from "../../../engine/device/device.ts";
import { uploadLinear } from "../../../engine/model/linear_weights.ts";
import { openCpuDevice } from "../../../node/cpu.ts";
import { adapterOf, SMALL } from "../../files/lora/synthetic.ts";
import { raises } from "../../raises.ts";

/** o_proj is [2, 4] in it. */
const CONFIG = { ...SMALL, hiddenSize: 2, numLayers: 1, numHeads: 1, headDim: 4 };

/** PEFT's DoRA of W = [[1, 0, 2], [0, -1, 1]], with a fourth column of zeros. */
const W = [1, 0, 2, 0, 0, -1, 1, 0];
const PAIR = { a: Float32Array.of(1, -2, 3, 0, 0.5, 4, -1, 0), b: Float32Array.of(1, 2, -3, 0.5) };
const X = [1, 0.5, -0.25, 0];
const MAGNITUDE = Float32Array.of(3, 5);

async function settled(weight: readonly number[], bias?: Float32Array<ArrayBuffer>) {
  const device = await openCpuDevice({ threads: 1 });
  try {
    const bytes = new Uint8Array(Float32Array.from(weight).buffer);
    const readRows = async (from: number, to: number) => bytes.subarray(16 * from, 16 * to);
    const o = await uploadLinear(device, [{ name: "o", type: "f32", shape: [2, 4], bytes: 32, readRows }], "f32");
    const layer = { o, biases: bias === undefined ? {} : { o: allocateFrom(device, "bias", bias) } };
    const lora = { rank: 2, scale: 2, ...PAIR, unsettled: { magnitude: MAGNITUDE } };
    // Only what settling reads of a model's weights is there.
    const views = { config: CONFIG, weights: { layers: [layer] } } as unknown as Parameters<
      typeof settleAdapter
    >[0]["views"];
    const adapter = await settleAdapter({ device, views }, adapterOf("a", [{ o_proj: lora }]));
    return adapter.layers[0].o_proj!;
  } finally {
    await device.close();
  }
}

const dot = (left: ArrayLike<number>, right: readonly number[]) =>
  right.reduce((sum, value, i) => sum + left[i] * value, 0);

test("a DoRA's gains are PEFT's, and leave the base's bias alone", async () => {
  for (const bias of [undefined, Float32Array.of(0.5, -3, 0, 0)]) {
    const { a, b, rank, scale, rows, unsettled } = await settled(W, bias);
    assert.equal(unsettled, undefined);
    const z = [dot(a.subarray(0, 4), X), dot(a.subarray(4), X)];
    const expected = [2.205644, 1.350362];
    for (const i of [0, 1]) {
      const own = dot(W.slice(4 * i, 4 * i + 4), X) + (bias?.[i] ?? 0);
      const delta = scale * dot(b.subarray(rank * i), z) + rows!.gain[i] * own + rows!.shift[i];
      assert.ok(Math.abs(own + delta - (expected[i] + (bias?.[i] ?? 0))) < 2e-6, `row ${i}: ${own + delta}`);
    }
    assert.deepEqual(
      [...rows!.gain].map((gain) => Number((1 + gain).toFixed(5))),
      [0.22056, 0.20775],
    );
  }
});

test("a row that the LoRA cancels has no direction: refused", async () => {
  // scale · B · A of the second row is [-5.5, 16, -19], as floats hold it.
  await raises("adapter_unsupported", /layers\.0\.o_proj: row 1.*is zero/, () =>
    settled([1, 0, 2, 0, 5.5, -16, 19, 0]),
  );
});
