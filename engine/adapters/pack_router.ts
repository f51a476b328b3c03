// Packs a mixture's router into the pool runs that kernels read: one run a layer. The layout is shaders/routing/router.wgsl's.
// The caller gives the addresses of adapters.

import { PANEL_BYTES, PANEL_ROWS } from "../../files/weights/stored/pack_panels.ts";
import type { KeyLayer, Mixture, MlpGate, Router } from "../../router/mixture.ts";

const HEADER_VEC4 = 4;
const KINDS = { mlp: 1, arrow: 2, uniform: 3, vocabulary: 4, keys: 5 } as const;

/** What a run needs beside the mixture: what an Arrow router has of each expert in this layer, and where they lie. */
export interface PlacedExperts {
  prototypes: readonly (Float32Array | undefined)[];
  /** The hidden layer of its gate in panels of q8_0, where it is held so. */
  gate?: Uint8Array<ArrayBuffer> | undefined;
  /** vec4 addresses in the pool, 0 for the base. */
  addresses: readonly number[];
}

/** How the hidden layer of an MLP router lies: as in the mixture, or, on the CPU, in panels (shaders/formats/q8_0.cpu.ts). */
export type GateForm = "f32" | "q8_0";

/** Bytes of a router's run; the same in every layer. */
export function routerRunBytes(mixture: Mixture, form: GateForm = "f32"): number {
  return 16 * sizes(mixture, form).end;
}

/** Values of a token's gate: the hidden layer's width (mlp), the experts (arrow, keys), or none. */
export function gateWidth(mixture: Mixture): number {
  const { router } = mixture;
  if (router.type === "mlp") return router.hiddenSize;
  return router.type === "arrow" || router.type === "keys" ? mixture.experts.length : 0;
}

/** Most entries a token can get. */
export function routedEntries(router: Router): number {
  return router.type === "vocabulary" ? 1 : router.topK;
}

export function packRouterLayer(mixture: Mixture, layer: number, placed: PlacedExperts): Float32Array<ArrayBuffer> {
  const { router, experts } = mixture;
  const at = sizes(mixture, placed.gate === undefined ? "f32" : "q8_0");
  const run = new Float32Array(4 * at.end);
  const rule = router.type === "vocabulary" ? { topK: 1, gate: "unit", temperature: 1 } : router;
  run.set([KINDS[router.type], experts.length, rule.topK, rule.gate === "softmax" ? 1 : 0], 0);
  const fallback = router.type === "vocabulary" || router.type === "keys" ? router.default : 0;
  run.set([rule.temperature, gateWidth(mixture), memoryOf(router), fallback], 4);
  run.set([at.fc1, at.bias1, at.fc2, at.bias2], 8);
  run.set(
    [at.experts, at.ranges, router.type === "vocabulary" ? router.ranges.length : 0, placed.gate === undefined ? 0 : 1],
    12,
  );
  for (let e = 0; e < experts.length; e++) run[4 * (at.experts + e)] = placed.addresses[e]!;
  if (router.type === "mlp")
    packGate(run, at, router.layers[layer]!, { width: router.hiddenSize, panels: placed.gate });
  if (router.type === "vocabulary")
    run.set(
      router.ranges.flatMap(([from, to, e]) => [from, to, e, 0]),
      4 * at.ranges,
    );
  if (router.type === "arrow") packPrototypes(run, at, mixture, placed.prototypes);
  if (router.type === "keys") packKeys(run, at, router.layers[layer]);
  return run;
}

/** What it keeps from token to token: 1, a belief; of keys, the share of the cosines before; 0: nothing. */
function memoryOf(router: Router): number {
  if (router.type === "keys") return router.memory;
  return router.type === "mlp" && router.belief ? 1 : 0;
}

/** Where an mlp router's numbers lie in its run, in vec4s. fc2's rows and both biases are padded to whole vec4s. */
export type GateOffsets = Pick<Offsets, "fc1" | "bias1" | "fc2" | "bias2">;

export function gateOffsets(mixture: Mixture): GateOffsets {
  const { fc1, bias1, fc2, bias2 } = sizes(mixture, "f32");
  return { fc1, bias1, fc2, bias2 };
}

interface Offsets {
  experts: number;
  ranges: number;
  fc1: number;
  bias1: number;
  fc2: number;
  bias2: number;
  end: number;
}

/** Offsets of a run's parts, in vec4s. */
function sizes({ router, experts, baseModel }: Mixture, form: GateForm): Offsets {
  const inputs = baseModel.hiddenSize / 4;
  const ranges = HEADER_VEC4 + experts.length;
  const fc1 = ranges + (router.type === "vocabulary" ? router.ranges.length : 0);
  if (router.type === "arrow") {
    const end = fc1 + experts.length * inputs;
    return { experts: HEADER_VEC4, ranges, fc1, bias1: end, fc2: end, bias2: end, end };
  }
  if (router.type === "keys") {
    const bias1 = fc1 + experts.length * inputs;
    const end = bias1 + inputs;
    return { experts: HEADER_VEC4, ranges, fc1, bias1, fc2: end, bias2: end, end };
  }
  if (router.type !== "mlp") {
    return { experts: HEADER_VEC4, ranges, fc1, bias1: fc1, fc2: fc1, bias2: fc1, end: fc1 };
  }
  const width4 = Math.ceil(router.hiddenSize / 4);
  const outputs = experts.length + (router.belief ? 1 : 0);
  const bias1 = fc1 + hiddenLayer(router.hiddenSize, baseModel.hiddenSize, form);
  const fc2 = bias1 + width4;
  const bias2 = fc2 + outputs * width4;
  return { experts: HEADER_VEC4, ranges, fc1, bias1, fc2, bias2, end: bias2 + Math.ceil(outputs / 4) };
}

/** vec4s of a matrix of so many rows and columns. */
function hiddenLayer(rows: number, cols: number, form: GateForm): number {
  return form === "f32" ? (rows * cols) / 4 : (Math.ceil(rows / PANEL_ROWS) * PANEL_BYTES.q8_0(cols)) / 16;
}

function packGate(
  run: Float32Array<ArrayBuffer>,
  at: Offsets,
  gate: MlpGate,
  { width, panels }: { width: number; panels: Uint8Array<ArrayBuffer> | undefined },
): void {
  if (panels === undefined) run.set(gate.fc1Weight, 4 * at.fc1);
  else new Uint8Array(run.buffer).set(panels, 16 * at.fc1);
  run.set(gate.fc1Bias, 4 * at.bias1);
  const stride = 4 * Math.ceil(width / 4);
  for (let row = 0; row < gate.fc2Bias.length; row++) {
    run.set(gate.fc2Weight.subarray(row * width, (row + 1) * width), 4 * at.fc2 + row * stride);
  }
  run.set(gate.fc2Bias, 4 * at.bias2);
}

function packKeys(run: Float32Array, at: Offsets, { keys, center, thresholds }: KeyLayer): void {
  run.set(keys, 4 * at.fc1);
  run.set(center, 4 * at.bias1);
  for (const [e, threshold] of thresholds.entries()) {
    const key = keys.subarray(e * center.length, (e + 1) * center.length);
    run.set([key.some((value) => value !== 0) ? 1 : 0, threshold], 4 * (at.experts + e) + 1);
  }
}

function packPrototypes(
  run: Float32Array,
  at: Offsets,
  { baseModel }: Mixture,
  prototypes: readonly (Float32Array | undefined)[],
): void {
  for (const [e, prototype] of prototypes.entries()) {
    if (prototype === undefined) continue;
    run[4 * (at.experts + e) + 1] = 1;
    run.set(prototype, 4 * at.fc1 + e * baseModel.hiddenSize);
  }
}
