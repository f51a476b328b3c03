// The float64 kernels against plain loops, and the embedded module against its source.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type CombinedTask, type Combining, Lists } from "../../../composition/kernels/combined.ts";
import { type Entries, listed, multiplied } from "../../../composition/kernels/entries.ts";
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

/** Of one list alone. */
function kthMagnitude(entries: Entries, k: number) {
  const lists = new Lists([entries]);
  const found = lists.kthMagnitude(0, k);
  lists.close();
  return found;
}

function combined(tasks: readonly (CombinedTask & { values: Float64Array })[], combining: Combining): Float64Array {
  const lists = new Lists(tasks.map(({ values }) => listed(values)));
  const found = lists.combined(tasks, combining);
  lists.close();
  return found;
}

test("the k-th largest magnitude, and how many are above and equal", () => {
  const values = numbers(70001, 6);
  for (const i of [5, 40000, 69999]) values[i] = -0.25;
  const sorted = Float64Array.from(values, Math.abs).sort().reverse();
  for (const k of [1, 2, 30000, sorted.indexOf(0.25) + 2, 70001]) {
    const { threshold, above, equal } = kthMagnitude(listed(values), k);
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

/** Three products of that shape: with 4·n columns they are made in bands where they do not fit as a whole. */
for (const [rows, cols] of [
  [40, 12],
  [7, 5],
  [2100, 1024],
] as const) {
  test(`products of [${rows}, ${cols}] are pruned, edited and combined as lists of the same numbers`, () => {
    const factors = [2, 1, 3].map((rank, t) => ({
      b: { rows, cols: rank, data: numbers(rows * rank, 20 + t) },
      a: { rows: rank, cols, data: numbers(rank * cols, 30 + t) },
    }));
    const values = factors.map(({ b, a }) => {
      const out = new Float64Array(rows * cols);
      productInto(out, { data: b.data, rowStep: b.cols, columnStep: 1 }, a.data, [rows, cols, b.cols]);
      return out;
    });
    const [made, given] = [new Lists(factors.map(multiplied)), new Lists(values.map(listed))];
    for (const t of [0, 1, 2]) {
      const k = Math.floor((rows * cols * (t + 1)) / 4);
      const found = made.kthMagnitude(t, k);
      assert.deepEqual(found, given.kthMagnitude(t, k));
      assert.equal(found.threshold, Float64Array.from(values[t], Math.abs).sort().at(-k));
    }
    const edit = (band: Float64Array, first: number) => {
      for (let i = 0; i < band.length; i++) if ((first + i) % 3 === 0) band[i] = 0;
    };
    const tasks = [0.1, 0, 0.3].map((limit, t) => ({ limit, before: 1, after: t + 1, share: 1, edit }));
    const combining: Combining = { elect: "total", divide: true, factor: 1 };
    const together = made.combined(tasks, combining);
    assert.deepEqual(together, given.combined(tasks, combining));
    assert.equal(together[3], 0);
    assert.ok(together.some((value) => value !== 0));
    made.close();
    given.close();
  });
}

test("the embedded module is what its source compiles to", async () => {
  const script = "setup/embed_float64.mjs";
  const { embedded } = (await import(new URL(script, ROOT).href)) as { embedded: () => string };
  const path = fileURLToPath(new URL("composition/kernels/float64_wasm.ts", ROOT));
  assert.equal(readFileSync(path, "utf8"), embedded(), `run node ${script}`);
});
