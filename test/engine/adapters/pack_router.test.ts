// A router's run in the pool, read back by the layout of shaders/routing/router.wgsl.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gateWidth, packRouterLayer, routedEntries, routerRunBytes } from "../../../engine/adapters/pack_router.ts";
import { prepareRouter } from "../../../engine/adapters/prepare_router.ts";
import { sliced } from "../../../files/slices.ts";
import { quantizeQ8_0 } from "../../../files/weights/stored/quantize.ts";
import { arrowPrototype } from "../../../router/arrow.ts";
import type { Mixture, MlpGate, Router } from "../../../router/mixture.ts";
import { adapterOf, loraModule, values } from "../../files/lora/synthetic.ts";

const ADAPTERS = [
  undefined,
  adapterOf("a", [{ q_proj: loraModule("q_proj", 2, 1) }, {}]),
  adapterOf("b", [{ down_proj: loraModule("down_proj", 3, 1) }, { v_proj: loraModule("v_proj", 1, 2) }]),
];
const ADDRESSES = [0, 640, 1280];
const PLACED = { prototypes: [], addresses: ADDRESSES };
const HIDDEN = 8;

function mixture(router: Router): Mixture {
  const experts = ADAPTERS.map((adapter, e) => ({ name: `e${e}`, adapter: adapter?.name, sha256: undefined }));
  const baseModel = { architecture: "LlamaForCausalLM", hiddenSize: HIDDEN, numLayers: 2 };
  return { name: "m", hash: "h", baseModel, experts, router };
}

function gates(width: number, outputs: number): MlpGate[] {
  return [1, 2].map((seed) => ({
    fc1Weight: values(width * HIDDEN, seed),
    fc1Bias: values(width, seed + 1),
    fc2Weight: values(outputs * width, seed + 2),
    fc2Bias: values(outputs, seed + 3),
  }));
}

/** Four headers, and a reader of what they point at, in vec4 units. */
function open(run: Float32Array) {
  const vec4 = (at: number) => [...run.subarray(4 * at, 4 * at + 4)];
  const floats = (at: number, count: number) => run.slice(4 * at, 4 * at + count);
  return { headers: [0, 1, 2, 3].map(vec4), vec4, floats };
}

for (const belief of [false, true]) {
  test(`mlp ${belief ? "with" : "without"} belief: weights row by row, rows of fc2 padded`, () => {
    const width = 6;
    const outputs = belief ? 4 : 3;
    const layers = gates(width, outputs);
    const whole = mixture({
      type: "mlp",
      hiddenSize: width,
      belief,
      layers,
      topK: 2,
      gate: "softmax",
      temperature: 0.5,
    });
    const run = packRouterLayer(whole, 1, PLACED);
    const { headers, vec4, floats } = open(run);
    assert.equal(run.byteLength, routerRunBytes(whole));
    assert.deepEqual(headers[0], [1, 3, 2, 1]);
    assert.deepEqual(headers[1], [0.5, width, belief ? 1 : 0, 0]);
    assert.deepEqual(
      [0, 1, 2].map((e) => vec4(headers[3][0] + e)[0]),
      PLACED.addresses,
    );
    const [fc1, bias1, fc2, bias2] = headers[2];
    assert.deepEqual(floats(fc1, width * HIDDEN), layers[1].fc1Weight);
    assert.deepEqual(floats(bias1, 8), Float32Array.of(...layers[1].fc1Bias, 0, 0));
    for (let row = 0; row < outputs; row++) {
      const expected = Float32Array.of(...layers[1].fc2Weight.subarray(row * width, (row + 1) * width), 0, 0);
      assert.deepEqual(floats(fc2 + 2 * row, 8), expected);
    }
    assert.deepEqual(floats(bias2, 4), Float32Array.of(...layers[1].fc2Bias, ...(belief ? [] : [0])));
    assert.equal(gateWidth(whole), width);
    assert.equal(routedEntries(whole.router), 2);
  });
}

test("the hidden layer in panels of q8_0, with int8 activations: everything else as it was, the run three times smaller", async () => {
  const [hidden, width] = [96, 12];
  const layers = [1, 2].map((seed) => ({
    fc1Weight: values(width * hidden, seed),
    fc1Bias: values(width, seed + 1),
    fc2Weight: values(3 * width, seed + 2),
    fc2Bias: values(3, seed + 3),
  }));
  const rule = { topK: 1, gate: "unit", temperature: 1 } as const;
  const router: Router = { type: "mlp", hiddenSize: width, belief: false, layers, ...rule };
  const whole = {
    ...mixture(router),
    baseModel: { architecture: "LlamaForCausalLM", hiddenSize: hidden, numLayers: 2 },
  };
  const exact = await sliced(
    prepareRouter(
      whole,
      ADAPTERS.map(() => undefined),
      "f32",
    ),
  );
  assert.equal(exact.gates, undefined);
  const { gates } = await sliced(
    prepareRouter(
      whole,
      ADAPTERS.map(() => undefined),
      "q8",
    ),
  );
  const run = packRouterLayer(whole, 1, { ...PLACED, gate: gates![1] });
  assert.equal(run.byteLength, routerRunBytes(whole, "q8_0"));
  assert.ok(3 * run.byteLength < routerRunBytes(whole, "f32") + 3 * 400);
  const { headers, floats } = open(run);
  assert.equal(headers[3][3], 1);
  const [fc1, bias1, fc2] = headers[2];
  assert.deepEqual(new Uint8Array(run.buffer, 16 * fc1, gates![1].length), gates![1]);
  assert.deepEqual(floats(bias1, width), layers[1].fc1Bias);
  assert.deepEqual(floats(fc2, 3 * width), layers[1].fc2Weight);
  // The first block of the first row: a half, and its bytes in the panel's first column of words.
  const stored = quantizeQ8_0(layers[1].fc1Weight.subarray(0, 32));
  const bytes = new Uint8Array(run.buffer, 16 * fc1, 272);
  assert.deepEqual([...bytes.subarray(0, 2)], [...stored.subarray(0, 2)]);
  for (let i = 0; i < 32; i++) assert.equal(bytes[16 + 32 * (i >> 2) + (i & 3)], stored[2 + i], `column ${i}`);
});

test("a hidden layer that no half can scale stays f32", async () => {
  const layers = gates(4, 3).map((gate) => ({ ...gate, fc1Weight: new Float32Array(4 * 32).fill(3e7) }));
  const rule = { topK: 1, gate: "unit", temperature: 1 } as const;
  const whole = mixture({ type: "mlp", hiddenSize: 4, belief: false, layers, ...rule });
  const wide = { ...whole, baseModel: { ...whole.baseModel, hiddenSize: 32 } };
  const { gates: held } = await sliced(
    prepareRouter(
      wide,
      ADAPTERS.map(() => undefined),
      "q8",
    ),
  );
  assert.equal(held, undefined);
});

test("arrow: a prototype of unit length where an expert has one in this layer", () => {
  const whole = mixture({ type: "arrow", topK: 1, gate: "unit", temperature: 1 });
  for (const [layer, marks] of [
    [0, 1],
    [1, 2],
  ]) {
    const prototypes = ADAPTERS.map((adapter) => adapter && arrowPrototype(adapter.layers[layer]));
    const { headers, vec4, floats } = open(packRouterLayer(whole, layer, { prototypes, addresses: ADDRESSES }));
    assert.deepEqual(headers[0], [2, 3, 1, 0]);
    for (let e = 0; e < 3; e++) {
      assert.deepEqual(vec4(headers[3][0] + e), [PLACED.addresses[e], e === marks ? 1 : 0, 0, 0]);
      const prototype = floats(headers[2][0] + (e * HIDDEN) / 4, HIDDEN);
      assert.ok(Math.abs(Math.hypot(...prototype) - (e === marks ? 1 : 0)) < 1e-6);
    }
  }
  assert.equal(gateWidth(whole), 3);
});

test("uniform and vocabulary have no gate; ranges and the default are written", () => {
  const uniform = mixture({ type: "uniform", topK: 3, gate: "unit", temperature: 1 });
  assert.deepEqual(open(packRouterLayer(uniform, 0, PLACED)).headers[0], [3, 3, 3, 0]);
  assert.equal(gateWidth(uniform), 0);
  const ranges: [number, number, number][] = [
    [0, 7, 2],
    [9, 50, 1],
  ];
  const whole = mixture({ type: "vocabulary", ranges, default: 2 });
  const { headers, vec4 } = open(packRouterLayer(whole, 0, PLACED));
  assert.deepEqual(headers[0], [4, 3, 1, 0]);
  assert.deepEqual(headers[1], [1, 0, 0, 2]);
  assert.equal(headers[3][2], 2);
  assert.deepEqual(
    [0, 1].map((i) => vec4(headers[3][1] + i)),
    ranges.map((range) => [...range, 0]),
  );
  assert.equal(routedEntries(whole.router), 1);
});
