// Gates and routes of every kind of router in one step, fixed lists beside them, and the trace of what was chosen.

import { gateWidth, packRouterLayer } from "../../../engine/adapters/pack_router.ts";
import { allocateFrom, type Device } from "../../../engine/device/device.ts";
import type { Adapter } from "../../../files/lora/adapter.ts";
import { arrowPrototype } from "../../../router/arrow.ts";
import type { GateRule, Mixture, Router } from "../../../router/mixture.ts";
import { launch } from "../../../shaders/kernel.ts";
import { gate } from "../../../shaders/routing/gate.ts";
import { route } from "../../../shaders/routing/route.ts";
import { trace } from "../../../shaders/routing/trace.ts";
import { ENTRY, LOGIT_ROW, NO_EXPERT, tableStride } from "../../../shaders/step.ts";
import { wordBuffer } from "../../../shaders/struct.ts";
import type { Compared, KernelCase } from "../case.ts";
import { compute, runOnce, stepShape, stepUniform } from "../compute.ts";
import { Output } from "../output.ts";
import { randomFloats } from "../random.ts";
import { beliefFilter } from "../reference/belief_filter.ts";
import { keyAverages } from "../reference/key_averages.ts";
import { linear } from "../reference/linear.ts";
import { mlpGate } from "../reference/mlp_gate.ts";
import { topKGates } from "../reference/top_k_gates.ts";
import { caseAdapters } from "./adapters.ts";

const HIDDEN = 36;
/** Room in the device's arrays; no mixture here fills it. */
const CAPACITY = { sequences: 9, entries: 4, experts: 8, gateWidth: 28 };
const PAGES = 8;
const TOLERANCE = 1e-5;

const ADAPTERS = caseAdapters({
  architecture: "LlamaForCausalLM",
  hiddenSize: HIDDEN,
  numLayers: 1,
  numHeads: 3,
  numKvHeads: 1,
  headDim: 4,
  intermediateSize: 20,
  vocabSize: 50,
  contextLength: 64,
  normEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: { type: "none" },
  tieEmbeddings: true,
  bosId: 0,
  eosIds: [0],
}).map((modules, i): Adapter => {
  const [name, hash] = [`a${i}`, `h${i}`];
  const report = { name, hash, matched: [], unmatched: [], ranks: [], scales: [], bytes: 0 };
  return { name, hash, layers: [modules], report };
});

interface Placed {
  mixture: Mixture;
  adapters: readonly (Adapter | undefined)[];
  /** Made up; 0 for the base. */
  addresses: readonly number[];
}

function placed(router: Router, adapters: readonly (Adapter | undefined)[]): Placed {
  const experts = adapters.map((adapter, e) => ({ name: `e${e}`, adapter: adapter?.name, sha256: undefined }));
  const baseModel = { architecture: "LlamaForCausalLM", hiddenSize: HIDDEN, numLayers: 1 };
  const addresses = adapters.map((adapter, e) => (adapter === undefined ? 0 : 100_000 + 8 * e));
  return { mixture: { name: "m", hash: "h", baseModel, experts, router }, adapters, addresses };
}

function mlp(width: number, experts: number, belief: boolean, rule: GateRule): Placed {
  const outputs = experts + (belief ? 1 : 0);
  const scaled = (count: number, offset: number, scale: number) =>
    randomFloats(count, 10 * width + experts + offset).map((value) => value * scale);
  const layer = {
    fc1Weight: scaled(width * HIDDEN, 0, 1),
    fc1Bias: scaled(width, 1, 1),
    fc2Weight: scaled(outputs * width, 2, 2),
    fc2Bias: scaled(outputs, 3, 1),
  };
  const adapters = [undefined, ...ADAPTERS].slice(0, experts);
  return placed({ type: "mlp", hiddenSize: width, belief, layers: [layer], ...rule }, adapters);
}

/** Keys of unit length; the third expert has none and is the default. */
function keyed(memory: number, experts: number, threshold: number, rule: GateRule): Placed {
  const keys = randomFloats(experts * HIDDEN, 5);
  for (let e = 0; e < experts; e++) {
    const key = keys.subarray(e * HIDDEN, (e + 1) * HIDDEN);
    const length = e === 2 ? Number.POSITIVE_INFINITY : Math.hypot(...key);
    for (const [k, value] of key.entries()) key[k] = value / length;
  }
  const center = randomFloats(HIDDEN, 6).map((value) => value / 4);
  const layers = [{ keys, center, thresholds: new Float32Array(experts).fill(threshold) }];
  return placed({ type: "keys", memory, default: 2, layers, ...rule }, [undefined, ...ADAPTERS].slice(0, experts));
}

const unit = (topK: number): GateRule => ({ topK, gate: "unit", temperature: 1 });
const soft = (topK: number, temperature: number): GateRule => ({ topK, gate: "softmax", temperature });
const ranges: [number, number, number][] = [
  [0, 7, 1],
  [10, 11, 2],
  [11, 2 ** 21, 0],
];

const ROUTERS: Record<string, Placed> = {
  belief: mlp(12, 3, true, unit(1)),
  "belief, two soft": mlp(28, 8, true, soft(2, 0.7)),
  memoryless: mlp(7, 5, false, unit(2)),
  "memoryless, four soft": mlp(1, 6, false, soft(4, 3)),
  arrow: placed({ type: "arrow", ...soft(3, 0.5) }, [ADAPTERS[2], undefined, ADAPTERS[8], ADAPTERS[5], ADAPTERS[0]]),
  keys: keyed(0, 5, 0.1, unit(1)),
  "keys with memory, two soft": keyed(0.8, 8, 0.02, soft(2, 0.1)),
  uniform: placed({ type: "uniform", ...unit(4) }, [undefined, ...ADAPTERS.slice(0, 5)]),
  vocabulary: placed({ type: "vocabulary", ranges, default: 3 }, [undefined, ...ADAPTERS.slice(0, 3)]),
};

export function routingCases(): KernelCase[] {
  const routes = Object.entries(ROUTERS).flatMap(([name, router]) =>
    [1, 2, 70].map(
      (tokens): KernelCase => ({
        kernel: "gate + route",
        name: `${name}, ${tokens} tokens`,
        run: (device) => routed(device, router, tokens),
      }),
    ),
  );
  return [...routes, ...[1, 7, 80].map(traceCase)];
}

interface Chosen {
  address: number;
  gate: number;
  expert: number;
}

/** A sequence behind a router, with an entry beside the router's where there is room, and one behind it with a fixed list. */
async function routed(device: Device, router: Placed, tokens: number): Promise<Compared[]> {
  const { entries, experts } = CAPACITY;
  const fixed: Chosen[] = [1, 2, 3].map((n) => ({ address: 8 * n, gate: n / 4, expert: n - 1 }));
  const beside: Chosen = { address: 48, gate: -0.5, expert: router.mixture.experts.length };
  const ids = Array.from({ length: tokens }, (_, i) => [0, 6, 7, 9, 10, 11, 2 ** 21 - 1, 2 ** 21][i % 8]);
  const x = randomFloats(2 * tokens * HIDDEN, 3);
  // The router behind a gap of NaNs: nothing lies at 0.
  const gap = [Number.NaN, Number.NaN, Number.NaN, Number.NaN];
  const pool = Float32Array.from([
    ...gap,
    ...packRouterLayer(router.mixture, 0, { ...router, prototypes: router.adapters.map(prototypeOf) }),
    ...gap,
  ]);
  const lists = wordBuffer(2 * entries * ENTRY.bytes);
  ENTRY.write(lists, 0, { ...beside });
  ENTRY.write(lists, ENTRY.words, { expert: NO_EXPERT });
  for (const [i, entry] of fixed.entries()) ENTRY.write(lists, (entries + i) * ENTRY.words, { ...entry });
  ENTRY.write(lists, (entries + fixed.length) * ENTRY.words, { expert: NO_EXPERT });
  const shape = stepShape({
    tokens: 2 * tokens,
    sequences: 2,
    entries,
    maxRank4: 1,
    adapters: 1,
    routed: true,
    gateWidth: gateWidth(router.mixture),
  });
  const table = new Output(device, 2 * tokens * entries * 4);
  const words = (numbers: readonly number[]) => allocateFrom(device, "words", Uint32Array.from(numbers));
  const states = CAPACITY.sequences * (1 + PAGES) * experts;
  const views = {
    step: stepUniform(device, shape),
    tokens: words([0, 1].flatMap((s) => ids.flatMap((id, i) => [id, i, s, 0, i, 0, 0, 0]))),
    sequences: words([0, tokens, 0, 0, 5, 1, 0, 0, tokens, tokens, 0, PAGES, 6, 0, entries, 0]),
    fixed_entries: allocateFrom(device, "fixed", lists.words),
    ids: words([...ids, ...ids]),
    x: allocateFrom(device, "x", x),
    gate: new Output(device, 2 * tokens * CAPACITY.gateWidth).view,
    pool: allocateFrom(device, "pool", pool),
    evidence: new Output(device, 2 * tokens * (experts + 1)).view,
    belief: allocateFrom(device, "belief", new Float32Array(states).fill(Number.NaN)),
    table: table.view,
    blocks: words(Array.from({ length: 2 * PAGES }, (_, i) => i)),
  };
  const facts = { hidden: HIDDEN, gateWidth: CAPACITY.gateWidth, tokens: 2 * tokens };
  await runOnce(device, [launch(gate, facts, views), launch(route, CAPACITY, views)], shape);
  const chosen = expectedLists(router, x.subarray(0, tokens * HIDDEN), ids);
  const expected = [...chosen.map((list) => [...list, beside].slice(0, entries)), ...ids.map(() => fixed)];
  return compareLists(await table.readWords(), expected);
}

/** The addresses and experts as they are, the gates up to rounding. A list ends with an address of −1. */
function compareLists(words: Uint32Array<ArrayBuffer>, expected: readonly (readonly Chosen[])[]): Compared[] {
  const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
  const found = expected.map((_, t) => {
    const list: Chosen[] = [];
    for (let j = 0; j < CAPACITY.entries; j++) {
      const at = 4 * (t * CAPACITY.entries + j);
      if (words[at + 2] === NO_EXPERT) break;
      list.push({ address: words[at], gate: floats[at + 1], expert: words[at + 2] });
    }
    return list;
  });
  const ends = [-1, -1];
  const choices = (lists: readonly (readonly Chosen[])[]) =>
    lists.flatMap((list) => [...list.flatMap(({ address, expert }) => [address, expert]), ...ends]);
  const gates = (lists: readonly (readonly Chosen[])[]) => lists.flatMap((list) => list.map((entry) => entry.gate));
  return [
    { actual: choices(found), expected: choices(expected), tolerance: 1e-9 },
    { actual: gates(found), expected: gates(expected), tolerance: TOLERANCE },
  ];
}

function expectedLists({ mixture, adapters, addresses }: Placed, x: Float32Array, ids: readonly number[]): Chosen[][] {
  const { router } = mixture;
  if (router.type === "vocabulary") {
    return ids.map((id) => {
      const expert = router.ranges.find(([from, to]) => id >= from && id < to)?.[2] ?? router.default;
      return [{ address: addresses[expert], gate: 1, expert }];
    });
  }
  const { gates, kept } = topKGates(logitsOf(router, adapters, x), adapters.length, router);
  const unmet = router.type === "keys" ? router.default : 0;
  return kept.map((list, t) =>
    list.length === 0 && router.type === "keys"
      ? [{ address: addresses[unmet], gate: 1, expert: unmet }]
      : list.map((expert) => ({ address: addresses[expert], gate: gates[t * adapters.length + expert], expert })),
  );
}

function logitsOf(
  router: Exclude<Router, { type: "vocabulary" }>,
  adapters: readonly (Adapter | undefined)[],
  x: Float32Array,
): Float64Array {
  const tokens = x.length / HIDDEN;
  const experts = adapters.length;
  if (router.type === "uniform") return new Float64Array(tokens * experts);
  if (router.type === "mlp") {
    const z = mlpGate(x, router.layers[0]);
    return router.belief ? beliefFilter(z, experts) : z;
  }
  if (router.type === "keys") {
    const { keys, center, thresholds } = router.layers[0];
    const averages = keyAverages(x, keys, center, router.memory);
    return averages.map((value, i) => (value >= thresholds[i % experts] ? value : Number.NEGATIVE_INFINITY));
  }
  const similar = adapters.map((adapter) => {
    const prototype = prototypeOf(adapter);
    if (prototype === undefined) return new Float64Array(tokens).fill(Number.NEGATIVE_INFINITY);
    return linear(x, prototype, tokens, HIDDEN, 1).map(Math.abs);
  });
  return Float64Array.from({ length: tokens * experts }, (_, i) => similar[i % experts][Math.floor(i / experts)]);
}

function prototypeOf(adapter: Adapter | undefined): Float32Array | undefined {
  return adapter && arrowPrototype(adapter.layers[0]!);
}

/** Tables of all layers; the rows' tokens in no order. */
function traceCase(maxTokens: number): KernelCase {
  const [layers, entries] = [5, 3];
  return {
    kernel: "trace",
    name: `${maxTokens} tokens`,
    async run(device) {
      const stride = tableStride(maxTokens, entries);
      const table = new Uint32Array(layers * stride * 4).map((_, i) => i);
      const tokens = Array.from({ length: Math.min(maxTokens, 9) }, (_, r) => (maxTokens - 1 + 3 * r) % maxTokens);
      const rows = new Uint32Array(tokens.length * LOGIT_ROW.words).fill(9999);
      for (const [r, token] of tokens.entries()) rows[r * LOGIT_ROW.words] = token;
      const arrays = { rows, table, trace: new Uint32Array(tokens.length * layers * entries * 2) };
      const shape = stepShape({ tokens: maxTokens, sequences: 1, rows: tokens.length, entries, routed: true });
      const found = await compute(device, trace, { layers, maxTokens, entries }, shape, arrays);
      const expected = tokens.flatMap((token) =>
        Array.from({ length: layers * entries }, (_, i) => {
          const at = 4 * (Math.floor(i / entries) * stride + token * entries + (i % entries));
          return [at + 2, at + 1];
        }).flat(),
      );
      const words = new Uint32Array(found.trace.buffer, found.trace.byteOffset, found.trace.length);
      return [{ actual: words, expected, tolerance: 1e-9 }];
    },
  };
}
