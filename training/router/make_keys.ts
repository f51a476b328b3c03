// Makes a keyed router from texts of each expert: keys from the mean of what their layers read, thresholds from how similar
// an expert's own tokens are. Nothing is trained, and an expert added later changes nothing of the others.

import type { KeyLayer } from "../../router/mixture.ts";
import { keySimilarities, meanOf, thresholdFor, unitKey } from "../../router/semantic_keys.ts";
import type { FrozenModel } from "../frozen/frozen_model.ts";
import { LayerInputs } from "../frozen/layer_inputs.ts";

/** Texts as token ids, of one expert or of nobody (`expert` undefined: what no key should meet). */
export interface KeyTexts {
  expert: number | undefined;
  texts: readonly (readonly number[])[];
}

export interface KeyOptions {
  /** Experts of the mixture; those without texts keep what `extended` has, or get no key. */
  experts: number;
  memory: number;
  /** Share of an expert's own tokens that meet its key, from which thresholds follow, or one threshold for all. */
  threshold: { recall: number } | number;
  /** Layers of a mixture whose experts come first: its keys, centres and thresholds stay bit for bit. */
  extended?: readonly KeyLayer[];
  onProgress?: (done: number, total: number) => void;
}

/** How well an expert's keys tell its texts from others, as means over layers. */
export interface KeyReport {
  expert: number;
  /** Share of its own tokens that meet its key. */
  met: number;
  /** Share of all other texts' tokens that do; undefined where there are none. */
  mistaken: number | undefined;
}

/**
 * Keys are unit vectors from the centre to the mean of an expert's tokens. The centre is the mean over all that texts were
 * given of, each counted once: hidden states have a large part in common, which would make all cosines alike. Of a single
 * expert's texts there is no centre: it is zero.
 */
export async function makeKeys(
  model: FrozenModel,
  given: readonly KeyTexts[],
  options: KeyOptions,
): Promise<{ layers: KeyLayer[]; reports: KeyReport[] }> {
  const { hiddenSize: width, numLayers } = model.config;
  const inputs = new LayerInputs(model);
  const total = 2 * given.reduce((sum, { texts }) => sum + texts.length, 0);
  let done = 0;
  const told = () => options.onProgress?.(++done, total);

  const means = new Map<KeyTexts, Float64Array[]>();
  for (const group of given) means.set(group, await groupMeans(inputs, group, numLayers, width, told));
  const layers = Array.from({ length: numLayers }, (_, i) => {
    const own = given.map((group) => means.get(group)![i]);
    return keysOf(i, own, given, options, width);
  });

  const similar = given.map(() => layers.map((): number[][] => Array.from({ length: options.experts }, () => [])));
  for (const [g, { texts }] of given.entries()) {
    for await (const text of inputs.of(texts)) {
      for (const [i, x] of text.entries()) {
        for (const [n, value] of keySimilarities(x, layers[i], options.memory).entries()) {
          similar[g][i][n % options.experts].push(value);
        }
      }
      told();
    }
  }
  return { layers, reports: given.flatMap((group, g) => settle(group, g, layers, similar, options)) };
}

async function groupMeans(
  inputs: LayerInputs,
  { texts }: KeyTexts,
  layers: number,
  width: number,
  told: () => void,
): Promise<Float64Array[]> {
  const sums = Array.from({ length: layers }, () => new Float64Array(width));
  const tokens = texts.reduce((sum, { length }) => sum + length, 0);
  for await (const text of inputs.of(texts)) {
    for (const [i, x] of text.entries()) for (const [n, value] of x.entries()) sums[i][n % width] += value / tokens;
    told();
  }
  return sums;
}

function keysOf(
  layer: number,
  means: readonly Float64Array[],
  given: readonly KeyTexts[],
  { experts, extended, threshold }: KeyOptions,
  width: number,
): KeyLayer {
  const before = extended?.[layer];
  const center = before?.center ?? Float32Array.from(means.length > 1 ? meanOf(means) : new Float64Array(width));
  const keys = new Float32Array(experts * width);
  const thresholds = new Float32Array(experts).fill(typeof threshold === "number" ? threshold : 0);
  keys.set(before?.keys ?? []);
  thresholds.set(before?.thresholds ?? []);
  for (const [g, { expert }] of given.entries()) {
    if (expert !== undefined) keys.set(unitKey(means[g], center), expert * width);
  }
  return { keys, center, thresholds };
}

/** Sets the thresholds of a group's expert in all layers, and says what they come to. `similar`: [group][layer][expert]. */
function settle(
  { expert }: KeyTexts,
  g: number,
  layers: readonly KeyLayer[],
  similar: readonly (readonly (readonly number[][])[])[],
  { threshold }: KeyOptions,
): KeyReport[] {
  if (expert === undefined) return [];
  const met: number[] = [];
  const mistaken: number[] = [];
  for (const [i, { thresholds }] of layers.entries()) {
    const own = similar[g][i][expert];
    if (typeof threshold !== "number") thresholds[expert] = thresholdFor(own, threshold.recall);
    met.push(shareAbove(own, thresholds[expert]));
    const others = similar.flatMap((group, other) => (other === g ? [] : group[i][expert]));
    if (others.length > 0) mistaken.push(shareAbove(others, thresholds[expert]));
  }
  return [{ expert, met: mean(met), mistaken: mistaken.length === 0 ? undefined : mean(mistaken) }];
}

function shareAbove(values: readonly number[], threshold: number): number {
  return values.filter((value) => value >= threshold).length / values.length;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
