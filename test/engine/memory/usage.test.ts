// Which generation gives way: by age, or by popularity, on traces where the two differ.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Eviction, Usage } from "../../../engine/memory/usage.ts";

/** Share of uses that met their generation among `room` kept ones. */
function hitRate(eviction: Eviction, trace: readonly string[], room: number): number {
  const usage = new Usage(eviction);
  const kept = new Set<string>();
  let hits = 0;
  for (const key of trace) {
    if (kept.has(key)) hits++;
    else if (kept.size === room) kept.delete(usage.order([...kept], (each) => each)[0]);
    kept.add(key);
    usage.touch(key);
  }
  return hits / trace.length;
}

/** A Lehmer generator (Park and Miller 1988), so that traces are the same everywhere. */
function* random(): Generator<number, never> {
  for (let state = 42; ; ) {
    state = (state * 48_271) % 0x7fff_ffff;
    yield state / 0x7fff_ffff;
  }
}

/** Popularity 1 / rank, over `count` names. */
function zipf(count: number, length: number): string[] {
  const draws = random();
  const weights = Array.from({ length: count }, (_, i) => 1 / (i + 1));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Array.from({ length }, () => {
    let left = draws.next().value * total;
    const drawn = weights.findIndex((weight) => {
      left -= weight;
      return left <= 0;
    });
    return `a${drawn}`;
  });
}

test("by age, the one used longest ago goes first; never used ones before all", () => {
  const usage = new Usage("lru");
  for (const key of ["a", "b", "c", "a"]) usage.touch(key);
  assert.deepEqual(
    usage.order(["a", "b", "c", "d"], (key) => key),
    ["d", "b", "c", "a"],
  );
});

test("by popularity, what many used stays before what one used last, and is forgotten in time", () => {
  const usage = new Usage("popular");
  for (let i = 0; i < 10; i++) usage.touch("often");
  usage.touch("once");
  assert.deepEqual(usage.order(["often", "once"], String), ["once", "often"]);
  for (let i = 0; i < 3000; i++) usage.touch(`other${i}`);
  usage.touch("late");
  assert.deepEqual(usage.order(["often", "late"], String), ["often", "late"]);
});

test("on a power law popularity keeps more of what is asked for than age does", (t) => {
  const trace = zipf(200, 20_000);
  const [lru, popular] = (["lru", "popular"] as const).map((eviction) => hitRate(eviction, trace, 40));
  t.diagnostic(`200 names by a power law, room for 40: lru ${lru.toFixed(3)}, popular ${popular.toFixed(3)}`);
  assert.ok(popular > lru + 0.02, `lru ${lru}, popular ${popular}`);
});
