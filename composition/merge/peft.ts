// PEFT's ways of merging (LoraModel.add_weighted_adapter, 0.21), for one matrix of the base.

import type { LoraModule } from "../../files/lora/adapter.ts";
import { deltaOf } from "../deltas.ts";
import { listed, multiplied } from "../kernels/entries.ts";
import { type Factored, factoredSvd, truncated, weightedSum } from "../linear/factored.ts";
import { type Matrix, matrixOf } from "../linear/matrix.ts";
import { topSvd } from "../linear/top_svd.ts";
import { type Combination, type CombineOptions, combine } from "./combine.ts";

/** `cat`: ranks side by side, Σ wᵢ·Δᵢ exactly. */
export function concatenated(loras: readonly LoraModule[], weights: readonly number[]): Factored {
  return weightedSum(loras.map(deltaOf), weights);
}

/** `svd`: the nearest matrix of `rank` to Σ wᵢ·Δᵢ, from the factors alone. */
export function concatenatedSvd(loras: readonly LoraModule[], weights: readonly number[], rank: number): Factored {
  return truncated(factoredSvd(concatenated(loras, weights)), rank);
}

/**
 * `linear`, `ties`, …: the operator on A's and on B's apart, with √|ws| as the weight of both and the sign on A. The
 * product carries cross terms between adapters.
 *
 * @throws RangeError where ranks differ
 */
export function factorwise(
  kind: Combination,
  loras: readonly LoraModule[],
  weights: readonly number[],
  options: (factor: "a" | "b") => CombineOptions,
): Factored {
  const [{ rank, a, b }] = loras;
  if (loras.some((lora) => lora.rank !== rank)) throw new RangeError("ranks differ");
  const scaled = loras.map(({ scale }, i) => scale * weights[i]);
  const roots = scaled.map((weight) => Math.sqrt(Math.abs(weight)));
  const signed = roots.map((root, i) => (scaled[i] >= 0 ? root : -root));
  const merge = (factor: "a" | "b", by: number[]) =>
    combine(
      kind,
      loras.map((lora) => listed(new Float64Array(lora[factor]))),
      by,
      options(factor),
    );
  return {
    a: { rows: rank, cols: a.length / rank, data: merge("a", signed) },
    b: { rows: b.length / rank, cols: rank, data: merge("b", roots) },
  };
}

/** What `*_svd` decomposes: the operator on whole deltas, [out, in]. */
export function wholeDeltas(
  kind: Combination,
  loras: readonly LoraModule[],
  weights: readonly number[],
  options: CombineOptions,
): Matrix {
  const deltas = loras.map(deltaOf);
  const data = combine(kind, deltas.map(multiplied), weights, options);
  return { rows: deltas[0].b.rows, cols: deltas[0].a.cols, data };
}

/** The nearest matrix of `rank`, as factors. */
export function lowRank(delta: Matrix, rank: number): Factored {
  return truncated(topSvd(delta, rank), rank);
}

/**
 * `svd_clamp`: entries of both factors limited to ± their common quantile (linear between ranks, as torch.quantile). That
 * quantile depends on the signs of singular vectors, which are arbitrary: other libraries may clamp at another value.
 */
export function clamped({ b, a }: Factored, quantile: number): Factored {
  const sorted = Float64Array.from([...b.data, ...a.data]).sort();
  const at = quantile * (sorted.length - 1);
  const low = Math.floor(at);
  const limit = sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
  const clamp = (x: Matrix) =>
    matrixOf(
      x.rows,
      x.cols,
      x.data.map((value) => Math.min(limit, Math.max(-limit, value))),
    );
  return { b: clamp(b), a: clamp(a) };
}
