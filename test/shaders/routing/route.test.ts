// The gate and route kernels: every kind of router in one step against float64, the belief against its oracle, chunks
// against one pass, ties, and lists that end early.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { caseAdapters } from "../../../cli/check/cases/adapters.ts";
import { beliefFilter } from "../../../cli/check/reference/belief_filter.ts";
import { linear } from "../../../cli/check/reference/linear.ts";
import { mlpGate } from "../../../cli/check/reference/mlp_gate.ts";
import { topKGates } from "../../../cli/check/reference/top_k_gates.ts";
import type { ModelConfig } from "../../../files/families/config.ts";
import type { Adapter } from "../../../files/lora/adapter.ts";
import type { GateRule, Router } from "../../../router/mixture.ts";
import { adapterOf, SMALL } from "../../files/lora/synthetic.ts";
import { arrowPrototype } from "../../reference/arrow_prototype.ts";
import { onEachDevice, randomFloats } from "../device.ts";
import {
  CAPACITY,
  type CaseSequence,
  HIDDEN,
  type PlacedMixture,
  placedMixture,
  type RoutedEntry,
  RouterBench,
  randomGate,
} from "../router_case.ts";

const CONFIG: ModelConfig = { ...SMALL, hiddenSize: HIDDEN, numLayers: 1 };
const ADAPTERS: Adapter[] = caseAdapters(CONFIG).map((modules, i) => adapterOf(`a${i}`, [modules]));
/** Extends nothing that a prototype is made of. */
const WITHOUT_PROTOTYPE = adapterOf("mlp only", [{ down_proj: caseAdapters(CONFIG)[2].down_proj! }]);

function mlp(width: number, experts: number, belief: boolean, rule: GateRule): PlacedMixture {
  const layers = [randomGate(width, experts + (belief ? 1 : 0), 10 * width + experts)];
  const adapters = [undefined, ...ADAPTERS].slice(0, experts);
  return placedMixture({ type: "mlp", hiddenSize: width, belief, layers, ...rule }, adapters);
}

const unit = (topK: number): GateRule => ({ topK, gate: "unit", temperature: 1 });
const soft = (topK: number, temperature: number): GateRule => ({ topK, gate: "softmax", temperature });

const VOCABULARY: Router = {
  type: "vocabulary",
  ranges: [
    [0, 7, 1],
    [10, 11, 2],
    [11, 2 ** 21, 0],
  ],
  default: 3,
};

const ids = (count: number) =>
  Array.from({ length: count }, (_, i) => [0, 6, 7, 9, 10, 11, 2 ** 21 - 1, 2 ** 21][i % 8]);

const ROUTERS: Record<string, PlacedMixture> = {
  belief: mlp(12, 3, true, unit(1)),
  "belief, two soft": mlp(28, 8, true, soft(2, 0.7)),
  memoryless: mlp(7, 5, false, unit(2)),
  "memoryless, four soft": mlp(1, 6, false, soft(4, 3)),
  arrow: placedMixture({ type: "arrow", ...soft(3, 0.5) }, [
    ADAPTERS[2],
    undefined,
    ADAPTERS[8],
    ADAPTERS[5],
    ADAPTERS[0],
  ]),
  "arrow with one prototype": placedMixture({ type: "arrow", ...soft(3, 1) }, [
    undefined,
    WITHOUT_PROTOTYPE,
    ADAPTERS[8],
  ]),
  "arrow without any": placedMixture({ type: "arrow", ...unit(1) }, [undefined, WITHOUT_PROTOTYPE]),
  uniform: placedMixture({ type: "uniform", ...unit(4) }, [undefined, ...ADAPTERS.slice(0, 5)]),
  vocabulary: placedMixture(VOCABULARY, [undefined, ADAPTERS[0], ADAPTERS[1], ADAPTERS[2]]),
};

const BESIDE = [9, 10, 11].map((n) => ({ address: 8 * n, gate: n / 8 - 1.25 }));

onEachDevice("every kind of router, fixed lists, none and both, in one step", async (device) => {
  for (const counts of [[1], [2, 1, 7], [70, 3]]) {
    const bench = new RouterBench(device);
    const routes: [string, CaseSequence["route"]][] = [
      ...Object.entries(ROUTERS).map(([name, router]): [string, CaseSequence["route"]] => [name, { router }]),
      ["fixed", { fixed: [1, 2, 3].map((n) => ({ address: 8 * n, gate: n / 4 })) }],
      ["full", { fixed: [4, 3, 2, 1].map((n) => ({ address: 8 * n, gate: -n })) }],
      ["none", { fixed: [] }],
      // As many as there is room for behind what the router chose: one keeps 1 of 4, one 2, one all 4.
      ...["belief", "vocabulary", "belief, two soft", "uniform", "arrow without any"].map(
        (name): [string, CaseSequence["route"]] => [name, { router: ROUTERS[name], beside: BESIDE }],
      ),
    ];
    // Nine rows of state; sequences without a router need none.
    const sequences = routes.map(([, route], i) => ({
      route,
      row: 8 - (i % 9),
      start: 0,
      ids: ids(counts[i % counts.length]),
    }));
    const tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
    const x = randomFloats(tokens * HIDDEN, 3);
    const { lists } = await bench.step(sequences, x);
    let first = 0;
    for (const [i, [name, route]] of routes.entries()) {
      const count = sequences[i].ids.length;
      const own = lists.slice(first, first + count);
      const part = x.subarray(first * HIDDEN, (first + count) * HIDDEN);
      if ("fixed" in route) {
        const list = route.fixed.map((entry, expert) => ({ ...entry, expert }));
        for (const actual of own) assert.deepEqual(actual, list, name);
      } else {
        const experts = route.router.addresses.length;
        const beside = (route.beside ?? []).map((entry, j) => ({ ...entry, expert: experts + j }));
        const chosen = expectedLists(route.router, part, sequences[i].ids);
        checkLists(
          name,
          own,
          chosen.map((list) => [...list, ...beside].slice(0, CAPACITY.entries)),
        );
      }
      first += count;
    }
  }
});

function checkLists(name: string, actual: RoutedEntry[][], expected: RoutedEntry[][]): void {
  for (const [t, list] of expected.entries()) {
    const what = `${name}, token ${t}`;
    const plain = (entries: RoutedEntry[]) => entries.map(({ address, expert }) => ({ address, expert }));
    assert.deepEqual(plain(actual[t]), plain(list), what);
    for (const [j, { gate }] of list.entries()) assert.ok(Math.abs(actual[t][j].gate - gate) < 1e-5, what);
  }
}

function expectedLists(
  { mixture, adapters, addresses }: PlacedMixture,
  x: Float32Array,
  ids: readonly number[],
): RoutedEntry[][] {
  const { router } = mixture;
  if (router.type === "vocabulary") {
    return ids.map((id) => {
      const expert = router.ranges.find(([from, to]) => id >= from && id < to)?.[2] ?? router.default;
      return [{ address: addresses[expert], gate: 1, expert }];
    });
  }
  const experts = adapters.length;
  const { gates, kept } = topKGates(logitsOf(router, adapters, x), experts, router);
  return kept.map((list, t) =>
    list.map((expert) => ({ address: addresses[expert], gate: gates[t * experts + expert], expert })),
  );
}

function logitsOf(
  router: Exclude<Router, { type: "vocabulary" }>,
  adapters: readonly (Adapter | undefined)[],
  x: Float32Array,
): Float64Array {
  const tokens = x.length / HIDDEN;
  if (router.type === "uniform") return new Float64Array(tokens * adapters.length);
  if (router.type === "mlp") {
    const z = mlpGate(x, router.layers[0]);
    return router.belief ? beliefFilter(z, adapters.length) : z;
  }
  const columns = adapters.map((adapter) => {
    const { q_proj, k_proj, v_proj } = adapter?.layers[0] ?? {};
    const pairs = [q_proj, k_proj, v_proj].filter((pair) => pair !== undefined);
    if (pairs.length === 0) return new Float64Array(tokens).fill(-Infinity);
    return linear(x, arrowPrototype(pairs, HIDDEN), tokens, HIDDEN, 1).map(Math.abs);
  });
  return Float64Array.from({ length: tokens * adapters.length }, (_, i) => {
    return columns[i % adapters.length][Math.floor(i / adapters.length)];
  });
}

interface Oracle {
  experts: number;
  temperature: number;
  top_k: number;
  gate: "unit" | "softmax";
  z: number[][];
  belief: number[][];
  gates: number[][];
}

/** A router whose z are its gate's hidden layer, so that a test can say what they are. */
function given(experts: number, rule: GateRule): PlacedMixture {
  const width = experts + 1;
  const identity = Float32Array.from({ length: width * width }, (_, i) => (i % (width + 1) === 0 ? 1 : 0));
  const gate = { ...randomGate(width, width, 1), fc2Weight: identity, fc2Bias: new Float32Array(width) };
  const adapters = ADAPTERS.slice(0, experts);
  return placedMixture({ type: "mlp", hiddenSize: width, belief: true, layers: [gate], ...rule }, adapters);
}

/** z in the rows of the gates' hidden layers. What is beyond a row's width is 0, as the gate kernel leaves it. */
function hiddenOf(z: readonly (readonly number[])[]): Float32Array<ArrayBuffer> {
  const hidden = new Float32Array(z.length * CAPACITY.gateWidth);
  for (const [t, row] of z.entries()) hidden.set(row, t * CAPACITY.gateWidth);
  return hidden;
}

onEachDevice("belief and gates equal the oracle, in one pass and in chunks of any size", async (device) => {
  const { cases }: { cases: Oracle[] } = JSON.parse(readFileSync("test/fixtures/parity/belief.json", "utf8"));
  assert.ok(cases.length > 0);
  for (const { experts, temperature, top_k: topK, gate, z, belief, gates } of cases) {
    const route = { router: given(experts, { topK, gate, temperature }) };
    const other = { router: given(experts, { topK: 1, gate: "unit", temperature: 1 }) };
    const whole: RoutedEntry[][] = [];
    for (const size of [z.length, 1, 2, 5]) {
      const bench = new RouterBench(device);
      for (let start = 0; start < z.length; start += size) {
        const chunk = z.slice(start, start + size);
        const own = { route, row: 3, start, ids: chunk.map(() => 1) };
        // A sequence beside it, whose belief must not mix with its own.
        const beside = { route: other, row: 4, start: 0, ids: chunk.map(() => 1) };
        const hidden = hiddenOf([...chunk.map((row) => row.map((value) => -value)), ...chunk]);
        const { lists, logits } = await bench.step([beside, own], new Float32Array(2 * chunk.length * HIDDEN), hidden);
        for (const [i, list] of lists.slice(chunk.length).entries()) {
          const t = start + i;
          if (size === z.length) whole.push(list);
          assert.deepEqual(list, whole[t], `token ${t} in chunks of ${size}`);
          const row = (chunk.length + i) * (CAPACITY.experts + 1);
          for (let e = 0; e < experts; e++) {
            assert.ok(Math.abs(Math.exp(logits[row + e]) - belief[t][e]) < 1e-5, `token ${t}, expert ${e}`);
            assert.ok(Math.abs((list.find(({ expert }) => expert === e)?.gate ?? 0) - gates[t][e]) < 1e-5);
          }
        }
      }
    }
  }
});

onEachDevice("a belief goes on from a full page, whoever filled it", async (device) => {
  const bench = new RouterBench(device);
  const route = { router: given(3, soft(2, 0.7)) };
  const values = randomFloats(40 * 4, 8);
  const z = Array.from({ length: 40 }, (_, t) => Array.from(values.subarray(4 * t, 4 * t + 4), (value) => 3 * value));
  const stepOf = (rows: number[][], sequence: Omit<CaseSequence, "route" | "ids">) =>
    bench.step(
      [{ route, ids: rows.map(() => 1), ...sequence }],
      new Float32Array(rows.length * HIDDEN),
      hiddenOf(rows),
    );
  const whole = await stepOf(z, { row: 3, start: 0 });
  for (const [row, start] of [
    [5, 16],
    [6, 32],
  ]) {
    const { lists } = await stepOf(z.slice(start), { row, start, pagesOf: 3 });
    assert.deepEqual(lists, whole.lists.slice(start), `from ${start} on`);
  }
});

onEachDevice("a belief comes back from where f32 cannot hold it", async (device) => {
  const bench = new RouterBench(device);
  // The switch logit says never; the evidence drives the second expert far below the smallest f32, then back.
  const z = [...Array.from({ length: 4 }, () => [40, -40, -120]), ...Array.from({ length: 5 }, () => [-40, 40, -120])];
  const sequence = { route: { router: given(2, unit(1)) }, row: 0, start: 0, ids: z.map(() => 1) };
  const { lists, logits } = await bench.step([sequence], new Float32Array(z.length * HIDDEN), hiddenOf(z));
  const expected = beliefFilterLogs(z);
  for (let t = 0; t < z.length; t++) {
    for (let e = 0; e < 2; e++) {
      const actual = logits[t * (CAPACITY.experts + 1) + e];
      assert.ok(Math.abs(actual - expected[t][e]) < 1e-3, `token ${t}: ${actual}, expected ${expected[t][e]}`);
    }
  }
  const best = expected.map(([first, second]) => (second > first ? 1 : 0));
  assert.ok(best.includes(1) && best.includes(0));
  assert.deepEqual(
    lists.map(([{ expert }]) => expert),
    best,
  );
});

/** The filter in float64 logarithms, for two experts. */
function beliefFilterLogs(z: readonly (readonly number[])[]): number[][] {
  const plus = (a: number, b: number) => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
  let log = [Math.log(0.5), Math.log(0.5)];
  return z.map(([first, second, change]) => {
    const stay = -plus(0, change);
    const spread = -plus(0, -change) - Math.log(2);
    const grown = [first + plus(stay + log[0], spread), second + plus(stay + log[1], spread)];
    const total = plus(grown[0], grown[1]);
    log = grown.map((value) => value - total);
    return log;
  });
}

onEachDevice("ties go to the lower index, among kept and left out", async (device) => {
  const router = placedMixture(
    {
      type: "mlp",
      hiddenSize: 4,
      belief: false,
      layers: [{ ...randomGate(4, 6, 1), fc2Weight: new Float32Array(24), fc2Bias: Float32Array.of(1, 3, 2, 3, 2, 2) }],
      ...soft(4, 1),
    },
    ADAPTERS.slice(0, 6),
  );
  const sequence = { route: { router }, row: 0, start: 0, ids: [1] };
  const { lists } = await new RouterBench(device).step([sequence], randomFloats(HIDDEN, 1));
  assert.deepEqual(
    lists[0].map(({ expert }) => expert),
    [1, 3, 2, 4],
  );
});
