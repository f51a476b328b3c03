// Adapters side by side: the union of their modules, scales folded, fused matrices as the base keeps them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { deltaOf, placesOf } from "../../composition/deltas.ts";
import { product } from "../../composition/linear/factored.ts";
import { fusedLora } from "../../files/lora/fuse.ts";
import { modulePlaces } from "../../files/lora/targets.ts";
import { loraModule, SMALL } from "../files/lora/synthetic.ts";

test("places are the union of the adapters' modules, in the base's order", () => {
  const first = { layers: [{ o_proj: loraModule("o_proj", 2, 1) }, {}] };
  const second = { layers: [{}, { q_proj: loraModule("q_proj", 1, 3), o_proj: loraModule("o_proj", 2, 1) }] };
  const places = placesOf([first, second], SMALL);
  const shown = places.map(({ path, loras }) => [path, ...loras.map((lora) => lora?.rank)]);
  assert.deepEqual(shown, [
    ["model.layers.0.self_attn.o_proj", 2, undefined],
    ["model.layers.1.self_attn.q_proj", undefined, 1],
    ["model.layers.1.self_attn.o_proj", undefined, 2],
  ]);
});

test("a delta is scale · B · A", () => {
  const a = Float32Array.from([1, -2, 3, 0.5, 4, -1]);
  const b = Float32Array.from([1, 2, -3, 0.5]);
  assert.deepEqual([...product(deltaOf({ rank: 2, scale: 2, a, b })).data], [4, 12, 2, -5.5, 16, -19]);
});

test("modules read from one matrix keep their shared A and its rank; others stand along the diagonal", () => {
  const config = { ...SMALL, architecture: "Phi3ForCausalLM" } as const;
  const place = modulePlaces(config).find(({ modules }) => modules.length === 2)!;
  const [gate, up] = [loraModule("gate_proj", 2, 3), loraModule("up_proj", 2, 3)];
  const sum = (a: Float32Array) =>
    product(deltaOf(fusedLora(place, { gate_proj: gate, up_proj: { ...up, a } }, config)!));
  const shared = fusedLora(place, { gate_proj: gate, up_proj: { ...up, a: gate.a } }, config)!;
  assert.equal(shared.rank, 2);
  assert.equal(shared.a, gate.a);
  const copy = fusedLora(place, { gate_proj: gate, up_proj: { ...up, a: gate.a.slice() } }, config)!;
  assert.equal(copy.rank, 4);
  assert.deepEqual(sum(gate.a.slice()), sum(gate.a));
  const alone = fusedLora(place, { up_proj: { ...up, scale: 0 } }, config)!;
  assert.deepEqual(new Set(product(deltaOf(alone)).data), new Set([0]));
});
