import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PagePool } from "../../../engine/memory/page_pool.ts";
import { MoloraError } from "../../../proto/errors.ts";

const internal = (error: unknown) => error instanceof MoloraError && error.code === "internal";

test("page 0 is never given; runs come from the low end, single pages from the high end", () => {
  const pool = new PagePool(8);
  assert.equal(pool.capacity, 7);
  assert.equal(pool.takeRun(3), 1);
  assert.equal(pool.takePage(), 7);
  assert.equal(pool.takePage(), 6);
  assert.equal(pool.takeRun(3), undefined);
  assert.equal(pool.takeRun(2), 4);
  assert.equal(pool.takePage(), undefined);
  assert.equal(pool.free, 0);
});

test("a run takes the first hole it fits and the highest free page is found again after a release", () => {
  const pool = new PagePool(10);
  for (const pages of [2, 1, 3]) pool.takeRun(pages); // 1-2, 3, 4-6
  pool.release(1, 2);
  pool.release(4, 3);
  assert.equal(pool.takeRun(3), 4, "the hole of two at page 1 is too small");
  assert.equal(pool.takeRun(1), 1);
  assert.equal(pool.takePage(), 9);
  pool.release(9, 1);
  assert.equal(pool.takePage(), 9);
});

test("a trial answers for the pool as it would be and changes nothing", () => {
  const pool = new PagePool(6);
  pool.takeRun(2);
  pool.takeRun(2);
  const [low, high] = [
    { first: 1, pages: 2 },
    { first: 3, pages: 2 },
  ];
  assert.equal(pool.wouldFit([2]), false);
  assert.equal(pool.wouldFit([1]), true);
  const trial = pool.trial();
  assert.equal(trial.release(low), 2, "the hole ends where the other run begins");
  assert.equal(trial.fits([2, 1]), true);
  assert.equal(trial.fits([2, 2]), false);
  assert.equal(trial.fits([2, 1]), true, "asking takes nothing");
  assert.equal(trial.fits([3]), false, "three pages are free, but not in a row");
  trial.take(low);
  assert.equal(trial.fits([2]), false);
  assert.equal(trial.release(high), 3, "the free page behind it belongs to the hole");
  assert.equal(trial.fits([3]), true);
  assert.equal(trial.release(low), 5);
  assert.equal(trial.fits([5]), true);
  assert.equal(pool.free, 1);
  assert.equal(pool.takeRun(1), 5);
});

test("double frees, foreign pages and empty runs are bugs", () => {
  const pool = new PagePool(6);
  pool.takeRun(3);
  for (const [first, pages] of [
    [0, 1],
    [-1, 1],
    [5, 2],
    [1, 0],
    [1.5, 1],
    [3, 2], // page 4 was never taken
  ] as const) {
    assert.throws(() => pool.release(first, pages), internal, `release(${first}, ${pages})`);
  }
  pool.release(1, 1);
  assert.throws(() => pool.release(1, 1), internal);
  assert.throws(() => pool.takeRun(0), internal);
  assert.throws(
    () => new PagePool(1),
    (error) => error instanceof MoloraError && error.code === "out_of_pages",
  );
  assert.equal(pool.free, 3, "a refused release changes nothing");
});

test("property: no page is owned twice, none is lost, and a run is refused only when no hole is large enough", () => {
  const op = fc.oneof(
    fc.record({ kind: fc.constant("run" as const), pages: fc.integer({ min: 1, max: 7 }) }),
    fc.record({ kind: fc.constant("page" as const) }),
    fc.record({ kind: fc.constant("release" as const), which: fc.nat() }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 24 }), fc.array(op, { maxLength: 60 }), (size, ops) => {
      const pool = new PagePool(size);
      const owner = new Array<number>(size).fill(-1); // -1 free, else id of the run
      owner[0] = 0;
      const runs: { id: number; first: number; pages: number }[] = [];
      const longestHole = () =>
        Math.max(
          ...owner
            .map((o) => (o < 0 ? "." : "#"))
            .join("")
            .split("#")
            .map((s) => s.length),
        );
      ops.forEach((step, index) => {
        if (step.kind === "release") {
          const run = runs.splice(step.which % Math.max(runs.length, 1), 1)[0];
          if (run === undefined) return;
          pool.release(run.first, run.pages);
          owner.fill(-1, run.first, run.first + run.pages);
        } else {
          const pages = step.kind === "run" ? step.pages : 1;
          const possible = longestHole() >= pages;
          const first = step.kind === "run" ? pool.takeRun(pages) : pool.takePage();
          assert.equal(first !== undefined, possible);
          if (first === undefined) return;
          assert.ok(owner.slice(first, first + pages).every((o) => o < 0));
          if (step.kind === "page") assert.equal(first, owner.lastIndexOf(-1));
          owner.fill(index + 1, first, first + pages);
          runs.push({ id: index + 1, first, pages });
        }
        assert.equal(pool.free, owner.filter((o) => o < 0).length);
      });
    }),
    { numRuns: 300 },
  );
});
