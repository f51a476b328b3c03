import assert from "node:assert/strict";
import { test } from "node:test";
import { sliced } from "../../files/slices.ts";

function* busy(steps: number, log?: (step: number) => void): Generator<undefined, number> {
  for (let i = 0; i < steps; i++) {
    const until = performance.now() + 1;
    while (performance.now() < until);
    log?.(i);
    yield;
  }
  return steps;
}

test("short work is done at once, before the caller goes on", async () => {
  let done = false;
  const work = sliced(
    (function* () {
      yield;
      done = true;
      return 7;
    })(),
  );
  assert.ok(done);
  assert.equal(await work, 7);
});

test("between slices timers have their turn, and long works go on side by side", async () => {
  const order: string[] = [];
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const works = ["a", "b", "c"].map((name) => sliced(busy(40, (step) => order.push(`${name}${step}`))));
  assert.deepEqual(await Promise.all(works), [40, 40, 40]);
  clearInterval(timer);
  assert.ok(ticks >= 10, `${ticks} ticks`);
  assert.ok(order.indexOf("b0") < order.indexOf("a39") && order.indexOf("c0") < order.indexOf("b39"));
});

test("ten thousand short works are not done in one go", async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const work = function* () {
    const until = performance.now() + 0.02;
    while (performance.now() < until);
    yield;
  };
  await Promise.all(Array.from({ length: 10_000 }, () => sliced(work())));
  clearInterval(timer);
  assert.ok(ticks >= 20, `${ticks} ticks`);
});

test("an aborted signal ends the work between two steps", async () => {
  const abort = new AbortController();
  let last = 0;
  const work = sliced(
    busy(1000, (step) => {
      last = step;
    }),
    abort.signal,
  );
  setTimeout(() => abort.abort(), 5);
  await assert.rejects(work, { code: "cancelled" });
  assert.ok(last < 900);
});

test("what a work throws is its own", async () => {
  const failing = sliced(
    (function* () {
      yield;
      throw new RangeError("mine");
    })(),
  );
  const other = sliced(busy(3));
  await assert.rejects(failing, RangeError);
  assert.equal(await other, 3);
});
