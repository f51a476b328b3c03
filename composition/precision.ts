// How far a base in one precision is from the same base in another, against what an adapter adds to it.

import type { ModelConfig } from "../files/families/config.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import { readFloats } from "../files/weights/floats.ts";
import { dequantizeRows } from "../files/weights/stored/dequantize.ts";
import { quantizeQ4_0, quantizeQ8_0 } from "../files/weights/stored/quantize.ts";
import type { StoredTensor, TensorSource } from "../files/weights/tensor.ts";
import { deltaOf, type Place, placesOf } from "./deltas.ts";
import { squaredNorm } from "./linear/factored.ts";
import type { MergeMethod } from "./merge/options.ts";
import type { Provenance } from "./provenance.ts";

/** Values of the code that bitsandbytes' 4-bit NormalFloat maps to [−1, 1] (Dettmers et al. 2023, QLoRA, appendix E). */
const NF4 = Float32Array.from([
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
]);
const NF4_BLOCK = 64;

/** The values that a precision makes of these, and of rows of whole blocks only. */
const ROUNDED: Readonly<Record<string, (values: Float32Array) => Float32Array>> = {
  nf4: roundNf4,
  q4_0: (values) => dequantized("q4_0", quantizeQ4_0(values), values.length),
  q8_0: (values) => dequantized("q8_0", quantizeQ8_0(values), values.length),
};

function dequantized(type: "q4_0" | "q8_0", bytes: Uint8Array, count: number): Float32Array {
  const out = new Float32Array(count);
  dequantizeRows(type, bytes, out);
  return out;
}

/** Blocks of 64 with the largest magnitude as their scale; that scale's own quantisation is left out. */
export function roundNf4(values: Float32Array): Float32Array {
  const out = new Float32Array(values.length);
  for (let first = 0; first < values.length; first += NF4_BLOCK) {
    const block = values.subarray(first, first + NF4_BLOCK);
    const scale = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (scale === 0) continue;
    for (let i = 0; i < block.length; i++) {
      let nearest = NF4[0];
      for (const code of NF4)
        if (Math.abs(block[i] / scale - code) < Math.abs(block[i] / scale - nearest)) nearest = code;
      out[first + i] = nearest * scale;
    }
  }
  return out;
}

/**
 * Warnings for adapters that were trained on a quantised base: under DARE, and where this base is in another precision.
 * Each names both and says how large the difference between both bases is against the adapter's delta (Frobenius norms,
 * over the first, middle and last layer that it extends).
 */
export async function precisionWarnings(
  adapters: readonly Adapter[],
  provenances: readonly Provenance[],
  { config, tensors, method }: { config: ModelConfig; tensors: TensorSource; method: MergeMethod },
): Promise<string[]> {
  const warnings: string[] = [];
  for (const [i, { name, trainedOn }] of provenances.entries()) {
    if (trainedOn === undefined) continue;
    const places = sampled(placesOf([adapters[i]], config));
    const stored = storedPrecision(places, tensors);
    const dare = method.includes("dare");
    if (stored === trainedOn && !dare) continue;
    const share = await differenceShare(places, tensors, trainedOn);
    const measured =
      share === undefined
        ? `how far ${trainedOn} is from it is not known here`
        : `in ${trainedOn} it would differ by ${share.toFixed(2)} of what the adapter adds (layers ${layersOf(places)})`;
    warnings.push(
      `"${name}" was trained on a base in ${trainedOn}, this one is stored in ${stored}: ${measured}. ` +
        `What it learned to make up for that rounding is merged along${dare ? `, and ${method} scales parts of it up` : ""}.`,
    );
  }
  return warnings;
}

function sampled(places: readonly Place[]): Place[] {
  const layers = [...new Set(places.map(({ layer }) => layer))];
  const kept = new Set([layers[0], layers[layers.length >> 1], layers.at(-1)]);
  return places.filter(({ layer }) => kept.has(layer));
}

function layersOf(places: readonly Place[]): string {
  return [...new Set(places.map(({ layer }) => layer))].join(", ");
}

/** The stored type that most of these places' weights have. */
export function storedPrecision(places: readonly Place[], tensors: TensorSource): string {
  const counts = new Map<string, number>();
  for (const place of places) {
    for (const { type } of weightsOf(place, tensors)) counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  return [...counts].sort((x, y) => y[1] - x[1])[0]?.[0] ?? "an unknown precision";
}

/** A fused place's weights are cut into its modules', or whole under its own name. */
function weightsOf({ path, modules }: Place, { tensors }: TensorSource): StoredTensor[] {
  const whole = tensors.get(`${path}.weight`);
  if (whole !== undefined) return [whole];
  const parent = path.slice(0, path.lastIndexOf("."));
  return modules.flatMap((module) => tensors.get(`${parent}.${module}.weight`) ?? []);
}

/** ‖Q(W) − W‖ / ‖Δ‖; undefined for a precision that is not computed here. */
async function differenceShare(
  places: readonly Place[],
  tensors: TensorSource,
  precision: string,
): Promise<number | undefined> {
  const round = ROUNDED[precision];
  if (round === undefined) return undefined;
  let [difference, delta] = [0, 0];
  for (const place of places) {
    for (const tensor of weightsOf(place, tensors)) {
      const values = await readFloats(tensor);
      const rounded = round(values);
      for (let k = 0; k < values.length; k++) difference += (rounded[k] - values[k]) ** 2;
    }
    for (const lora of place.loras) if (lora !== undefined) delta += squaredNorm(deltaOf(lora));
  }
  return Math.sqrt(difference / delta);
}
