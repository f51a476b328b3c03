// The study's statistics, by hand and against NumPy.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bestRule,
  foretoldShare,
  leaveOneOut,
  mean,
  overAdapters,
  pearson,
  ranks,
  spearman,
} from "../../../perf/study/statistics.ts";

const XS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3];
const YS = [2, 7, 1, 8, 2, 8, 1, 8, 2, 8];

test("correlations equal NumPy's, and equal values share their ranks", () => {
  assert.deepEqual(ranks(XS), [4.5, 1.5, 6, 1.5, 7.5, 10, 3, 9, 7.5, 4.5]);
  assert.ok(Math.abs(pearson(XS, YS) - 0.10492284287735874) < 1e-12, `${pearson(XS, YS)}`);
  assert.ok(Math.abs(spearman(XS, YS) - 0.13471506281091267) < 1e-12, `${spearman(XS, YS)}`);
  assert.equal(spearman([1, 2, 3], [5, 5, 5]), 0);
});

test("the best rule parts what can be parted, on either side", () => {
  const cases = [0.1, 0.2, 0.4, 0.7, 0.9].map((x) => ({ members: ["a", "b"], x, failed: x > 0.5 }));
  const { threshold, above } = bestRule(cases);
  assert.ok(above && Math.abs(threshold - 0.55) < 1e-12);
  assert.equal(bestRule(cases.map((one) => ({ ...one, failed: !one.failed }))).above, false);
  // Nothing fails: failure is never foretold.
  assert.equal(bestRule(cases.map((one) => ({ ...one, failed: false }))).threshold, Number.POSITIVE_INFINITY);
});

const NAMES = ["a", "b", "c", "d", "e", "f"];
const PAIRS = NAMES.flatMap((first, i) => NAMES.slice(i + 1).map((second) => [first, second]));

test("leaving an adapter out judges each pair once for each member, by rules that never saw it", () => {
  const known = PAIRS.map((members, i) => ({ members, x: i, failed: i >= 8 }));
  const told = leaveOneOut(known);
  assert.equal(told.length, 2 * PAIRS.length);
  assert.ok(foretoldShare(told, true) > 0.9 && foretoldShare(told, false) < 0.1);
  // What is known of an adapter alone says nothing of one that was left out.
  const own = PAIRS.map((members) => ({ members, x: members.includes("a") ? 1 : 0, failed: members.includes("a") }));
  const ofA = leaveOneOut(own).filter(({ members }) => members.includes("a"));
  assert.equal(ofA.filter(({ foretold }) => foretold).length, 5, "judged by the other member's rule alone");
});

test("an interval over adapters holds the value, and is wider than that of pairs taken as independent", () => {
  // One adapter makes all of its pairs large: five pairs of fifteen, but one adapter of six.
  const cases = PAIRS.map((members) => ({ members, y: members.includes("a") ? 1 : 0 }));
  const { value, low, high } = overAdapters(cases, (drawn) => mean(drawn.map(({ y }) => y)));
  assert.equal(value, 1 / 3);
  const independent = 1.96 * Math.sqrt((value * (1 - value)) / PAIRS.length);
  assert.ok(low === 0 && high > value + independent, `${low} to ${high}`);
});
