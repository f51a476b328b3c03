// What a diagnosis means, in sentences: which adapters get in each other's way, how to merge, or not to.

import type { Diagnosis, PairDiagnosis } from "./diagnose.ts";

/**
 * An adapter that another one outweighs so much where it reads: of 80 measured pairs beyond it the average left one adapter
 * worse than the base in 80 %, of the 52 below in 44 %. Of all measures of weights this one foretold most (docs/diagnosis.md).
 */
export const DROWNED = 0.38;
/** Deltas of such a cosine have learned much the same: of six measured pairs beyond it one failed. */
const ALIKE = 0.05;
/** By geometry alone: no measured pair came near it. */
const OPPOSED = -0.4;

export interface Advice {
  /** Merge with weights that sum to one, or route. Plain sums of whole adapters are not advised. */
  verdict: "average" | "route";
  /** A method of `molora merge`; none where routing is advised. */
  method: "svd" | undefined;
  /** An adapter that the rest would merge better without. */
  leaveOut: string | undefined;
  sentences: string[];
}

export function adviceOn({ adapters, pairs }: Pick<Diagnosis, "adapters" | "pairs">): Advice {
  const name = (i: number) => adapters[i].name;
  const alike = pairs.filter(({ cosine }) => cosine > ALIKE);
  const opposed = pairs.filter(({ cosine }) => cosine < OPPOSED);
  const apart = pairs.filter((pair) => !alike.includes(pair));
  const drowned = apart.flatMap(({ first, second, drownsFirst, drownsSecond }) => [
    ...(drownsFirst > DROWNED ? [{ by: second, who: first, times: drownsFirst }] : []),
    ...(drownsSecond > DROWNED ? [{ by: first, who: second, times: drownsSecond }] : []),
  ]);
  const clashes = apart.filter((pair) => drowns(pair) > DROWNED || opposed.includes(pair));
  const relief =
    adapters.length > 2 && clashes.length > 0
      ? adapters.findIndex((_, i) => clashes.every(({ first, second }) => first === i || second === i))
      : -1;
  const verdict = clashes.length > 0 ? "route" : "average";
  return {
    verdict,
    method: verdict === "average" ? "svd" : undefined,
    leaveOut: relief < 0 ? undefined : name(relief),
    sentences: [
      VERDICTS[verdict](Math.max(0, ...apart.map(drowns)), adapters.length),
      ...drowned.map(
        ({ by, who, times }) =>
          `${name(by)} adds ${times.toFixed(1)} times as much as ${name(who)} where ${name(who)} reads: merged, ${name(who)} is drowned.`,
      ),
      ...alike.map(
        ({ first, second, cosine }) =>
          `${name(first)} and ${name(second)} have learned much the same (cosine ${cosine.toFixed(2)}): these two can be averaged.`,
      ),
      ...opposed.map(
        ({ first, second, cosine }) =>
          `${name(first)} and ${name(second)} undo each other (cosine ${cosine.toFixed(2)}): no merge keeps both.`,
      ),
      ...(relief < 0 ? [] : [`Without ${name(relief)} none of the rest is drowned or undone.`]),
      CERTAINTY,
    ],
  };
}

function drowns({ drownsFirst, drownsSecond }: PairDiagnosis): number {
  return Math.max(drownsFirst, drownsSecond);
}

const VERDICTS = {
  average: (most: number, count: number) =>
    `No adapter is drowned (at most ${most.toFixed(2)}): an average may do (merge --method svd, weights of 1/${count}).`,
  route: () =>
    "Route, do not merge: merged, some of these are likely to lose more than they gained over the base (four in five such pairs did).",
};

const CERTAINTY =
  "This comes of pairs of small adapters (docs/diagnosis.md). Where none was drowned, 44 % still left an adapter worse than the " +
  "base: weights do not say whether answers contradict each other. Measure before you decide (--data).";
