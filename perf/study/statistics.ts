// How far one number of a set of adapters foretells another, with intervals over adapters: pairs that share an adapter are
// not independent, so adapters are resampled, not pairs.

import { Random } from "../../composition/random.ts";

/** A set of adapters, what was known of it, and what came of it. */
export interface Case {
  members: readonly string[];
  x: number;
  y: number;
}

export interface Estimate {
  value: number;
  /** Percentiles 2.5 and 97.5. */
  low: number;
  high: number;
}

export function pearson(xs: readonly number[], ys: readonly number[]): number {
  const [mx, my] = [mean(xs), mean(ys)];
  let [xy, xx, yy] = [0, 0, 0];
  for (const [i, x] of xs.entries()) {
    xy += (x - mx) * (ys[i] - my);
    xx += (x - mx) ** 2;
    yy += (ys[i] - my) ** 2;
  }
  return xx === 0 || yy === 0 ? 0 : xy / Math.sqrt(xx * yy);
}

export function spearman(xs: readonly number[], ys: readonly number[]): number {
  return pearson(ranks(xs), ranks(ys));
}

/** From 1; equal values share the mean of their ranks. */
export function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((i, j) => values[i] - values[j]);
  const found = new Array<number>(values.length);
  for (let first = 0; first < order.length; ) {
    let end = first + 1;
    while (end < order.length && values[order[end]] === values[order[first]]) end++;
    for (let k = first; k < end; k++) found[order[k]] = (first + end + 1) / 2;
    first = end;
  }
  return found;
}

const RESAMPLES = 1000;

/** `statistic` of the cases, and its interval over adapters drawn with replacement: a case counts once for every way to draw its members. */
export function overAdapters<T extends { members: readonly string[] }>(
  cases: readonly T[],
  statistic: (cases: readonly T[]) => number,
): Estimate {
  const names = [...new Set(cases.flatMap(({ members }) => members))];
  const random = new Random(0xb007);
  const values: number[] = [];
  for (let n = 0; n < RESAMPLES; n++) {
    const times = new Map<string, number>();
    for (const _ of names) {
      const name = random.pick(names);
      times.set(name, (times.get(name) ?? 0) + 1);
    }
    const drawn = cases.flatMap((one) => {
      const count = one.members.reduce((product, name) => product * (times.get(name) ?? 0), 1);
      return Array.from({ length: count }, () => one);
    });
    const value = drawn.length > 2 ? statistic(drawn) : Number.NaN;
    if (Number.isFinite(value)) values.push(value);
  }
  values.sort((a, b) => a - b);
  const at = (share: number) => values[Math.min(values.length - 1, Math.floor(share * values.length))];
  return { value: statistic(cases), low: at(0.025), high: at(0.975) };
}

export interface Judged {
  members: readonly string[];
  x: number;
  failed: boolean;
}

export interface Rule {
  threshold: number;
  /** Failure is foretold above the threshold, or below it. */
  above: boolean;
}

/**
 * The rule with the largest share of failures caught less share of false alarms (Youden 1950). Where nothing fails it
 * foretells no failure, where everything does it always does.
 */
export function bestRule(cases: readonly Judged[]): Rule {
  const sorted = [...cases].sort((a, b) => a.x - b.x);
  const failures = cases.filter(({ failed }) => failed).length;
  const others = cases.length - failures;
  if (others === 0) return { threshold: Number.NEGATIVE_INFINITY, above: true };
  let best: Rule & { score: number } = { threshold: Number.POSITIVE_INFINITY, above: true, score: 0 };
  if (failures === 0) return best;
  let [failedBelow, goodBelow] = [0, 0];
  for (const [i, { x, failed }] of sorted.entries()) {
    if (failed) failedBelow++;
    else goodBelow++;
    const next = sorted[i + 1];
    if (next === undefined || next.x === x) continue;
    const score = goodBelow / others - failedBelow / failures;
    const threshold = (x + next.x) / 2;
    if (score > best.score) best = { threshold, above: true, score };
    if (-score > best.score) best = { threshold, above: false, score: -score };
  }
  return best;
}

export function foretells({ threshold, above }: Rule, x: number): boolean {
  return above ? x > threshold : x < threshold;
}

export interface Told {
  members: readonly string[];
  failed: boolean;
  foretold: boolean;
}

/** Each case judged once for each of its members, by the rule of the cases that this adapter is not in. */
export function leaveOneOut(cases: readonly Judged[]): Told[] {
  return [...new Set(cases.flatMap(({ members }) => members))].flatMap((name) => {
    const rule = bestRule(cases.filter(({ members }) => !members.includes(name)));
    return cases
      .filter(({ members }) => members.includes(name))
      .map(({ members, x, failed }) => ({ members, failed, foretold: foretells(rule, x) }));
  });
}

/** Of those that failed (or, of those that did not), the share that failure was foretold for. */
export function foretoldShare(told: readonly Told[], failed: boolean): number {
  const own = told.filter((one) => one.failed === failed);
  return own.length === 0 ? Number.NaN : own.filter(({ foretold }) => foretold).length / own.length;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
