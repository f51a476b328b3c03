// Keyed routers: similarities against float64, in one pass, in chunks and from another sequence's page; thresholds and the
// default expert where no key is met.

import assert from "node:assert/strict";
import { caseAdapters } from "../../../cli/check/cases/adapters.ts";
import { keyAverages } from "../../../cli/check/reference/key_averages.ts";
import { topKGates } from "../../../cli/check/reference/top_k_gates.ts";
import type { Adapter } from "../../../files/lora/adapter.ts";
import type { GateRule, KeyLayer } from "../../../router/mixture.ts";
import { adapterOf, SMALL } from "../../files/lora/synthetic.ts";
import { onEachDevice, randomFloats } from "../device.ts";
import { CAPACITY, HIDDEN, type PlacedMixture, placedMixture, type RoutedEntry, RouterBench } from "../router_case.ts";

const ADAPTERS: Adapter[] = caseAdapters({ ...SMALL, hiddenSize: HIDDEN, numLayers: 1 }).map((modules, i) =>
  adapterOf(`a${i}`, [modules]),
);
const UNIT: GateRule = { topK: 1, gate: "unit", temperature: 1 };
const TOKENS = 40;
const X = randomFloats(TOKENS * HIDDEN, 8);
const IDS = Array.from({ length: TOKENS }, () => 1);

/** Unit keys; expert 0 has none and is the default. */
function layerOf(experts: number, threshold: number): KeyLayer {
  const keys = randomFloats(experts * HIDDEN, 5);
  for (let e = 0; e < experts; e++) {
    const key = keys.subarray(e * HIDDEN, (e + 1) * HIDDEN);
    const length = e === 0 ? Number.POSITIVE_INFINITY : Math.hypot(...key);
    for (const [k, value] of key.entries()) key[k] = value / length;
  }
  const center = randomFloats(HIDDEN, 6).map((value) => value / 4);
  return { keys, center, thresholds: new Float32Array(experts).fill(threshold) };
}

function keyed(layer: KeyLayer, memory: number, rule = UNIT): PlacedMixture {
  const adapters = [undefined, ...ADAPTERS].slice(0, layer.thresholds.length);
  return placedMixture({ type: "keys", memory, default: 0, layers: [layer], ...rule }, adapters);
}

for (const [memory, experts, threshold] of [
  [0, 3, 0.05],
  [0.75, 5, 0.05],
  [1, 8, 0.1],
]) {
  onEachDevice(`averages with memory ${memory}, in one pass and in chunks`, async (device) => {
    const layer = layerOf(experts, threshold);
    const rule: GateRule = { topK: 2, gate: "softmax", temperature: 0.1 };
    const router = keyed(layer, memory, rule);
    const averages = keyAverages(X, layer.keys, layer.center, memory);
    const met = averages.map((value, i) => (value >= layer.thresholds[i % experts] ? value : Number.NEGATIVE_INFINITY));
    const { gates, kept } = topKGates(met, experts, rule);
    assert.ok(kept.some((list) => list.length === 0) && kept.some((list) => list.length > 1));
    let whole: RoutedEntry[][] = [];
    for (const size of [TOKENS, 1, 7, 16]) {
      const bench = new RouterBench(device);
      for (let start = 0; start < TOKENS; start += size) {
        const ids = IDS.slice(start, start + size);
        const part = X.slice(start * HIDDEN, (start + ids.length) * HIDDEN);
        const { lists, logits } = await bench.step([{ route: { router }, row: 3, start, ids }], part);
        if (size === TOKENS) whole = lists;
        assert.deepEqual(lists, whole.slice(start, start + ids.length), `from token ${start} in chunks of ${size}`);
        for (const i of ids.keys()) {
          for (let e = 1; e < experts; e++) {
            const expected = averages[(start + i) * experts + e];
            assert.ok(
              Math.abs(logits[i * (CAPACITY.experts + 1) + e] - expected) < 1e-5,
              `token ${start + i}, key ${e}`,
            );
          }
        }
      }
    }
    for (const [t, list] of whole.entries()) {
      const fallback = [{ address: 0, gate: 1, expert: 0 }];
      const wanted = kept[t].map((expert) => ({
        address: router.addresses[expert],
        gate: gates[t * experts + expert],
        expert,
      }));
      checkList(list, wanted.length === 0 ? fallback : wanted, `token ${t}`);
    }
  });
}

function checkList(actual: RoutedEntry[], expected: RoutedEntry[], what: string): void {
  const plain = (entries: RoutedEntry[]) => entries.map(({ address, expert }) => ({ address, expert }));
  assert.deepEqual(plain(actual), plain(expected), what);
  for (const [j, { gate }] of expected.entries()) assert.ok(Math.abs(actual[j].gate - gate) < 1e-4, what);
}

onEachDevice("averages go on from a full page, whoever filled it", async (device) => {
  const bench = new RouterBench(device);
  const route = { router: keyed(layerOf(4, 0.02), 0.9) };
  const whole = await bench.step([{ route, row: 3, start: 0, ids: IDS }], X);
  for (const [row, start] of [
    [5, 16],
    [6, 32],
  ]) {
    const rest = { route, row, start, ids: IDS.slice(start), pagesOf: 3 };
    const { lists } = await bench.step([rest], X.slice(start * HIDDEN));
    assert.deepEqual(lists, whole.lists.slice(start), `from ${start} on`);
  }
});

onEachDevice("a token at the centre meets no key, and a threshold of exactly its cosine is met", async (device) => {
  const layer = layerOf(3, 0.5);
  // One token at the centre, one beyond it along the second key.
  const x = new Float32Array(2 * HIDDEN);
  x.set(layer.center);
  x.set(
    layer.center.map((value, k) => value + layer.keys[HIDDEN + k]),
    HIDDEN,
  );
  const bench = new RouterBench(device);
  const step = (thresholds: Float32Array) =>
    bench.step([{ route: { router: keyed({ ...layer, thresholds }, 0) }, row: 0, start: 0, ids: [1, 1] }], x);
  const first = await step(layer.thresholds);
  assert.deepEqual(
    first.lists.map(([{ expert }]) => expert),
    [0, 1],
  );
  const cosine = first.logits[CAPACITY.experts + 1 + 1];
  assert.ok(Math.abs(cosine - 1) < 1e-5);
  const exact = await step(Float32Array.of(0, cosine, 2));
  assert.equal(exact.lists[1][0].expert, 1);
  const above = await step(Float32Array.of(0, cosine + 1e-6, 2));
  assert.equal(above.lists[1][0].expert, 0);
});
