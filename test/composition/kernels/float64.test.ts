// The float64 kernels against plain loops, and the embedded module against its source.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Combining, combined } from "../../../composition/kernels/combined.ts";
import { kthMagnitude } from "../../../composition/kernels/magnitudes.ts";
import { productInto, Resident } from "../../../composition/kernels/products.ts";
import { Random } from "../../../composition/random.ts";
import { assertClose } from "../linear/near.ts";

const ROOT = new URL("../../../../", import.meta.url);

function numbers(count: number, seed: number): Float64Array {
  const random = new Random(seed, count);
  return Float64Array.from({ length: count }, () => 2 * random.next() - 1);
}

/** Left by its strides times right, [m, n]. */
function plain(at: (i: number, k: number) => number, right: Float64Array, [m, n, k]: readonly number[]): Float64Array {
  return Float64Array.from({ length: m * n }, (_, o) => {
    let sum = 0;
    for (let l = 0; l < k; l++) sum += at(Math.floor(o / n), l) * right[l * n + (o % n)];
    return sum;
  });
}

for (const shape of [
  [1, 1, 1],
  [4, 4, 3],
  [7, 5, 11],
  [130, 9, 70],
  [5, 2050, 33],
  [9, 3, 40000],
] as const) {
  const [m, n, k] = shape;
  test(`a product of [${m}, ${k}] and [${k}, ${n}], the left factor as it lies and turned`, () => {
    const [left, right] = [numbers(m * k, 1), numbers(k * n, 2)];
    for (const [rowStep, columnStep] of [
      [k, 1],
      [1, m],
    ]) {
      const out = new Float64Array(m * n).fill(Number.NaN);
      productInto(out, { data: left, rowStep, columnStep }, right, shape);
      assertClose(
        out,
        plain((i, l) => left[i * rowStep + l * columnStep], right, shape),
        1e-11,
      );
    }
  });
}

test("a resident matrix is multiplied from both sides, again and again", () => {
  const [rows, cols] = [37, 21];
  const x = { rows, cols, data: numbers(rows * cols, 3) };
  const resident = new Resident(x, 8);
  for (const n of [8, 3]) {
    const [v, u] = [numbers(cols * n, 4), numbers(rows * n, 5)];
    assertClose(
      resident.times(v, n),
      plain((i, k) => x.data[i * cols + k], v, [rows, n, cols]),
      1e-12,
    );
    const fromLeft = plain((i, k) => u[k * n + i], x.data, [n, cols, rows]);
    assertClose(resident.timesFromLeft(u, n), fromLeft, 1e-12);
  }
  resident.close();
});

test("the k-th largest magnitude, and how many are above and equal", () => {
  const values = numbers(70001, 6);
  for (const i of [5, 40000, 69999]) values[i] = -0.25;
  const sorted = Float64Array.from(values, Math.abs).sort().reverse();
  for (const k of [1, 2, 30000, sorted.indexOf(0.25) + 2, 70001]) {
    const { threshold, above, equal } = kthMagnitude(values, k);
    assert.equal(threshold, sorted[k - 1]);
    assert.equal(above, sorted.indexOf(threshold));
    assert.equal(equal, sorted.filter((value) => value === threshold).length);
  }
});

for (const elect of ["none", "total", "frequency"] as const) {
  for (const divide of [false, true]) {
    test(`lists become one: election ${elect}, ${divide ? "divided" : "summed"}`, () => {
      const combining: Combining = { elect, divide, factor: 1.5 };
      const tasks = [0, 1, 2].map((t) => ({
        values: numbers(40003, 7 + t).map((value) => Math.round(8 * value) / 8),
        limit: 0.25 * t,
        before: t - 0.5,
        after: 2 - t,
        share: 1 + t,
      }));
      const wanted = tasks[0].values.map((_, i) => {
        const pruned = tasks.map(({ values, limit, before }) =>
          Math.abs(values[i]) >= limit ? values[i] * before : 0,
        );
        const vote = pruned.reduce((sum, v) => sum + (elect === "total" ? v : Math.sign(v)), 0);
        const sign = vote >= 0 ? 1 : -1;
        const counted = tasks.flatMap((task, t) =>
          elect === "none" || pruned[t] * sign > 0 ? [{ task, v: pruned[t] }] : [],
        );
        const sum = counted.reduce((all, { task, v }) => all + v * task.after, 0);
        const shares = counted.reduce((all, { task }) => all + task.share, 0);
        return 1.5 * (divide && Math.abs(shares) >= 1e-8 ? sum / shares : sum);
      });
      assertClose(combined(tasks, combining), wanted, 1e-13);
    });
  }
}

test("the embedded module is what its source compiles to", async () => {
  const script = "setup/embed_float64.mjs";
  const { embedded } = (await import(new URL(script, ROOT).href)) as { embedded: () => string };
  const path = fileURLToPath(new URL("composition/kernels/float64_wasm.ts", ROOT));
  assert.equal(readFileSync(path, "utf8"), embedded(), `run node ${script}`);
});
