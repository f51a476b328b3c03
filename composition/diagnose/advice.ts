// What a diagnosis means, in sentences: which adapters get in each other's way, how to merge, or not to.

import type { Diagnosis } from "./diagnose.ts";

// The bounds below are not calibrated on measured merges yet; the last sentence of every advice says so.

/** A set whose singular-task interference ÷ Σσ stays below it can be added up. */
const ADDS_UP = 0.25;
/** Above it, merges that elect or orthogonalise lose much of some adapter as well. */
const TOO_MUCH = 2;
/** An adapter that another one outweighs so much where it reads. */
const DROWNED = 1;
/** Leaving one out helps where the rest keep less than this part of the interference. */
const RELIEF = 0.5;
/** Deltas of such a cosine say much the same. */
const ALIKE = 0.4;

export interface Advice {
  verdict: "add" | "merge" | "route";
  /** A method of `molora merge`; none where routing is advised. */
  method: "svd" | "tsv" | undefined;
  /** An adapter that the rest would merge better without. */
  leaveOut: string | undefined;
  sentences: string[];
}

export function adviceOn({ adapters, pairs, set, without }: Diagnosis): Advice {
  const name = (i: number) => adapters[i].name;
  const drowned = pairs.flatMap(({ first, second, drownsFirst, drownsSecond }) => [
    ...(drownsFirst > DROWNED ? [{ by: second, who: first, times: drownsFirst }] : []),
    ...(drownsSecond > DROWNED ? [{ by: first, who: second, times: drownsSecond }] : []),
  ]);
  const alike = pairs.filter(({ cosine }) => cosine > ALIKE);
  const opposed = pairs.filter(({ cosine }) => cosine < -ALIKE);
  const verdict = set.interference < ADDS_UP ? "add" : set.interference < TOO_MUCH ? "merge" : "route";
  const lightest = without.reduce(
    (best, { interference }, i) => (interference < without[best].interference ? i : best),
    0,
  );
  const relief = adapters.length > 2 && verdict !== "add" && without[lightest].interference < RELIEF * set.interference;
  return {
    verdict,
    method: { add: "svd" as const, merge: "tsv" as const, route: undefined }[verdict],
    leaveOut: relief ? name(lightest) : undefined,
    sentences: [
      VERDICTS[verdict](set.interference),
      ...drowned.map(
        ({ by, who, times }) =>
          `${name(by)} adds ${times.toFixed(1)} times as much as ${name(who)} where ${name(who)} reads: in a sum ${name(who)} is drowned; give it a larger weight, or route.`,
      ),
      ...alike.map(
        ({ first, second, cosine }) =>
          `${name(first)} and ${name(second)} do much the same (cosine ${cosine.toFixed(2)}): weights of one half each keep the sum from overshooting.`,
      ),
      ...opposed.map(
        ({ first, second, cosine }) =>
          `${name(first)} and ${name(second)} undo each other (cosine ${cosine.toFixed(2)}): no merge keeps both.`,
      ),
      ...(relief
        ? [`Without ${name(lightest)} the interference falls to ${without[lightest].interference.toFixed(2)}.`]
        : []),
      "The bounds of this advice are not calibrated on measured merges yet: measure before you decide.",
    ],
  };
}

const VERDICTS = {
  add: (value: number) => `Interference ${value.toFixed(2)}: the adapters can be added up (merge --method svd or cat).`,
  merge: (value: number) =>
    `Interference ${value.toFixed(2)}: a plain sum lets them disturb each other; merge by --method tsv, or route.`,
  route: (value: number) =>
    `Interference ${value.toFixed(2)}: route, do not merge; every merge costs some of them much.`,
};
