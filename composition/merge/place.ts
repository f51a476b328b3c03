// One matrix of the base, merged by any of the methods.

import { LORA_MODULES } from "../../files/families/modules.ts";
import type { LoraModule } from "../../files/lora/adapter.ts";
import { deltaOf, type Place } from "../deltas.ts";
import { listed, multiplied } from "../kernels/entries.ts";
import { type Factored, factoredSvd, truncated } from "../linear/factored.ts";
import { type Matrix, multiply, scaleColumns, scaleRows } from "../linear/matrix.ts";
import { Random } from "../random.ts";
import { type Combination, type CombineOptions, combine, combineWeighted, type Masks } from "./combine.ts";
import { rescaledByOutputs } from "./darex.ts";
import { clusteredRanks } from "./lego.ts";
import type { MergeMethod, SettledTuning } from "./options.ts";
import { clamped, concatenated, concatenatedSvd, factorwise, lowRank, wholeDeltas } from "./peft.ts";
import { compressedTasks, inSharedBasis, taskSingularVectors } from "./singular_vectors.ts";

/** What a place becomes: factors, or where no thin ones exist the matrix, [out, in]. */
export type MergedDelta = { kind: "factored"; delta: Factored } | { kind: "whole"; delta: Matrix };

/** What of an adapter's place a method works on. */
export interface PlaceTask {
  place: Place;
  /** Those that extend this matrix, with the index of their adapter. */
  loras: readonly LoraModule[];
  adapters: readonly number[];
  weights: readonly number[];
  /** Highest rank of all adapters at any place: PEFT's default for svd. */
  highestRank: number;
  /** Inputs of this matrix on some texts, [in, tokens]. */
  inputs: Matrix | undefined;
  /** Instead of what the seed draws: for comparisons. */
  masks?: (factor: "a" | "b" | "whole") => Masks;
}

/** @throws RangeError where the method's needs are not met: equal ranks, inputs */
export function mergePlace(method: MergeMethod, task: PlaceTask, tuning: SettledTuning): MergedDelta {
  const { loras, weights, highestRank } = task;
  const { rank = highestRank, clamp } = tuning;
  const combining = (factor: "a" | "b" | "whole"): CombineOptions => ({
    ...tuning,
    masks: masksOf(task, tuning, factor),
  });
  const factored = (delta: Factored): MergedDelta => ({ kind: "factored", delta });
  const clampedTo = (delta: Factored) => factored(clamp === undefined ? delta : clamped(delta, clamp));
  const weighted = () => loras.map((lora, i) => scaledDelta(lora, weights[i]));
  switch (method) {
    case "cat":
    case "task_arithmetic":
      return factored(concatenated(loras, weights));
    case "svd":
      return clampedTo(concatenatedSvd(loras, weights, rank));
    case "linear":
    case "ties":
    case "dare_linear":
    case "dare_ties":
    case "magnitude_prune":
      return factored(factorwise(method, loras, weights, combining));
    case "ties_svd":
    case "dare_linear_svd":
    case "dare_ties_svd":
    case "magnitude_prune_svd": {
      const kind = method.slice(0, -"_svd".length) as Combination;
      return clampedTo(lowRank(wholeDeltas(kind, loras, weights, combining("whole")), rank));
    }
    case "mergekit_ties":
    case "mergekit_dare_linear":
    case "mergekit_dare_ties": {
      const kind = method.slice("mergekit_".length) as Combination;
      return { kind: "whole", delta: mergekit(kind, task, { ...tuning, ...combining("whole") }) };
    }
    case "darex": {
      if (task.inputs === undefined) throw new RangeError("darex without inputs");
      const { masks } = combining("whole");
      return {
        kind: "whole",
        delta: rescaledByOutputs(loras.map(deltaOf), weights, { ...tuning, masks, inputs: task.inputs }),
      };
    }
    case "tsv":
    case "tsv_compress": {
      const each = tuning.rank === undefined ? highestRank : Math.max(1, Math.floor(tuning.rank / loras.length));
      return factored((method === "tsv" ? taskSingularVectors : compressedTasks)(weighted(), each));
    }
    case "knots": {
      const merged = inSharedBasis(loras.map(deltaOf), (blocks) =>
        combine(tuning.inner, blocks.map(listed), weights, combining("whole")),
      );
      return factored(tuning.rank === undefined ? merged : truncated(factoredSvd(merged), tuning.rank));
    }
    case "lego":
      return factored(
        clusteredRanks(
          loras.map((lora, i) => evenly(lora, weights[i])),
          { rank, reweight: tuning.reweight, random: randomOf(task, tuning, 0x1e60) },
        ),
      );
  }
}

function mergekit(
  kind: Combination,
  { loras, weights }: PlaceTask,
  options: CombineOptions & Pick<SettledTuning, "normalize" | "lambda">,
): Matrix {
  const deltas = loras.map(deltaOf);
  const data = combineWeighted(kind, deltas.map(multiplied), weights, options);
  return { rows: deltas[0].b.rows, cols: deltas[0].a.cols, data };
}

function scaledDelta(lora: LoraModule, weight: number): Factored {
  return deltaOf({ ...lora, scale: lora.scale * weight });
}

/** The scale's root in both factors, so that a rank's share of A and of B weigh alike. */
function evenly(lora: LoraModule, weight: number): Factored {
  const { b, a } = deltaOf({ ...lora, scale: 1 });
  const root = Math.sqrt(Math.abs(lora.scale * weight));
  const all = new Float64Array(lora.rank).fill(root);
  return { b: scaleColumns(b, all), a: scaleRows(a, lora.scale * weight < 0 ? all.map((value) => -value) : all) };
}

/** A stream of its own for every place and purpose: which adapters are beside it does not matter. */
function randomOf({ place }: PlaceTask, { seed }: SettledTuning, ...keys: readonly number[]): Random {
  return new Random(seed, place.layer, LORA_MODULES.indexOf(place.modules[0]), ...keys);
}

function masksOf(task: PlaceTask, tuning: SettledTuning, factor: "a" | "b" | "whole"): Masks {
  if (task.masks !== undefined) return task.masks(factor);
  return (t, count, density) => {
    const random = randomOf(task, tuning, task.adapters[t], ["a", "b", "whole"].indexOf(factor));
    const mask = new Uint8Array(count);
    for (let i = 0; i < count; i++) mask[i] = random.next() < density ? 1 : 0;
    return mask;
  };
}

/** The matrix of either kind. */
export function wholeOf({ kind, delta }: MergedDelta): Matrix {
  return kind === "whole" ? delta : multiply(delta.b, delta.a);
}
