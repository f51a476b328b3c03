import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PagePool } from "../../../engine/memory/page_pool.ts";
import { Residency, type ResidentNeed } from "../../../engine/memory/residency.ts";
import { MoloraError } from "../../../proto/errors.ts";

const need = (key: string, pages: number): ResidentNeed => ({ key, pages });
const internal = (error: unknown) => error instanceof MoloraError && error.code === "internal";
const keys = (residency: Residency) => residency.residents().map(({ key }) => key);

/** A pool with `free` pages and a residency on it. */
function setUp(free: number): { pool: PagePool; residency: Residency } {
  const pool = new PagePool(free + 1);
  return { pool, residency: new Residency(pool) };
}

/** Makes generations resident and idle, the first named being the least recently used. */
function warm(residency: Residency, ...needs: ResidentNeed[]): void {
  for (const each of needs) {
    assert.ok(residency.acquire([each]));
    residency.release([each]);
  }
}

test("what is resident is shared, and only what is not is fresh", () => {
  const { pool, residency } = setUp(10);
  const first = residency.acquire([need("math", 3)]);
  assert.deepEqual(first, { placed: [{ key: "math", firstPage: 1, fresh: true }] });
  const mixture = [need("router", 1), need("math", 3), need("code", 2), need("math", 3)];
  const second = residency.acquire(mixture);
  assert.deepEqual(
    second?.placed.map(({ key, fresh }) => [key, fresh]),
    [
      ["router", true],
      ["math", false],
      ["code", true],
    ],
  );
  assert.equal(residency.firstPage("math"), 1);
  assert.equal(pool.free, 4);
  residency.release(mixture);
  assert.deepEqual(
    residency.residents().map(({ key, pins }) => [key, pins]),
    [
      ["router", 0],
      ["math", 1],
      ["code", 0],
    ],
  );
  assert.equal(residency.idlePages, 3);
  assert.equal(residency.unpinnedPages(mixture), 3);
});

test("the least recently used idle generation goes first, a pinned one never", () => {
  const { residency } = setUp(6);
  warm(residency, need("a", 2), need("b", 2), need("c", 2));
  warm(residency, need("a", 2)); // now b is the oldest
  assert.ok(residency.acquire([need("d", 2)]));
  assert.deepEqual(keys(residency), ["c", "a", "d"]);
  assert.equal(residency.evictions, 1);
  assert.ok(
    residency.acquire([need("e", 4)]) === undefined,
    "c and a are idle but do not lie together with room for 4",
  );
  assert.ok(residency.acquire([need("d", 2), need("c", 2)]));
  assert.equal(residency.acquire([need("f", 3)]), undefined);
});

test("one that is to stay gives way last, and does where nothing else can", () => {
  const { residency } = setUp(6);
  warm(residency, need("stays", 2), need("a", 2), need("b", 2));
  residency.pin("stays");
  warm(residency, need("c", 2), need("d", 2));
  assert.deepEqual(keys(residency).sort(), ["c", "d", "stays"]);
  assert.ok(residency.evictFor(2));
  assert.deepEqual(keys(residency).sort(), ["d", "stays"]);
  assert.ok(residency.evictFor(6), "what runs goes before");
  assert.deepEqual(keys(residency), []);
  warm(residency, need("stays", 2), need("a", 2), need("b", 2));
  residency.unpin("stays");
  warm(residency, need("c", 2));
  assert.deepEqual(keys(residency).sort(), ["a", "b", "c"]);
});

test("a mixture is placed whole or not at all, and nothing is evicted in vain", () => {
  const { pool, residency } = setUp(8);
  warm(residency, need("idle", 3));
  assert.ok(residency.acquire([need("busy", 3)]));
  const before = residency.residents();
  assert.equal(residency.acquire([need("x", 3), need("y", 3)]), undefined);
  assert.deepEqual(residency.residents(), before);
  assert.equal(residency.evictions, 0);
  assert.equal(pool.free, 2);
  assert.ok(residency.acquire([need("x", 3), need("y", 2)]));
  assert.equal(residency.evictions, 1);
});

test("an eviction that would not help to make a contiguous run is spared", () => {
  const { residency } = setUp(8);
  warm(residency, need("a", 1));
  assert.ok(residency.acquire([need("wall", 1)]));
  warm(residency, need("b", 3), need("c", 3)); // a wall b b b c c c
  assert.ok(residency.acquire([need("d", 4)])); // a, the oldest, lies behind the wall
  assert.deepEqual(keys(residency).sort(), ["a", "d", "wall"]);
  assert.equal(residency.evictions, 2);
});

test("an idle generation that is wanted itself is moved when it lies in the way", () => {
  const { residency } = setUp(6);
  warm(residency, need("a", 2), need("b", 2));
  residency.drop("a"); // . . b b . .
  const acquired = residency.acquire([need("b", 2), need("c", 4)]);
  assert.deepEqual(acquired?.placed, [
    { key: "b", firstPage: 5, fresh: true },
    { key: "c", firstPage: 1, fresh: true },
  ]);
  assert.equal(residency.evictions, 0, "moved, not evicted");
});

test("drop removes at once when idle and with the last release when in use", () => {
  const { pool, residency } = setUp(6);
  const a = need("a", 2);
  residency.acquire([a]);
  residency.acquire([a]);
  residency.drop("a");
  residency.release([a]);
  assert.equal(residency.firstPage("a"), 1);
  residency.release([a]);
  assert.equal(residency.firstPage("a"), undefined);
  warm(residency, a);
  residency.drop("a");
  residency.drop("never seen");
  assert.equal(pool.free, 6);
  assert.equal(residency.evictions, 0, "unloading is not eviction");
});

test("KV takes pages from idle generations, oldest first, no more than it needs, and none if they are too few", () => {
  const { pool, residency } = setUp(8);
  warm(residency, need("a", 2), need("b", 2));
  residency.acquire([need("c", 2)]);
  assert.equal(residency.evictFor(2), true);
  assert.equal(residency.evictions, 0);
  assert.equal(residency.evictFor(7), false);
  assert.equal(residency.evictions, 0);
  assert.equal(residency.evictFor(3), true);
  assert.deepEqual(keys(residency), ["b", "c"]);
  assert.equal(pool.free, 4);
});

test("unbalanced releases and changing sizes are bugs", () => {
  const { residency } = setUp(6);
  warm(residency, need("a", 2));
  assert.throws(() => residency.release([need("a", 2)]), internal);
  assert.throws(() => residency.release([need("b", 2)]), internal);
  assert.throws(() => residency.acquire([need("a", 3)]), internal);
});

test("property: pages are conserved, nothing in use moves or goes, and refusals change nothing", () => {
  const sizes = [1, 2, 3, 4, 1, 2, 5, 3];
  const wanted = fc.uniqueArray(fc.integer({ min: 0, max: sizes.length - 1 }), { minLength: 1, maxLength: 4 });
  const op = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("acquire" as const), wanted }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("release" as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop" as const), which: fc.nat(sizes.length - 1) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("evict" as const), pages: fc.integer({ min: 1, max: 8 }) }) },
  );
  fc.assert(
    fc.property(fc.integer({ min: 5, max: 18 }), fc.array(op, { maxLength: 50 }), (free, ops) => {
      const { pool, residency } = setUp(free);
      const held: ResidentNeed[][] = [];
      for (const step of ops) {
        const before = residency.residents();
        const wasFree = pool.free;
        if (step.kind === "acquire") {
          const needs = step.wanted.map((i) => need(`g${i}`, sizes[i]));
          const acquired = residency.acquire(needs);
          if (acquired !== undefined) {
            held.push(needs);
            for (const { key, firstPage, fresh } of acquired.placed) {
              assert.equal(residency.firstPage(key), firstPage);
              if (!fresh) assert.equal(firstPage, before.find((resident) => resident.key === key)?.firstPage);
            }
          } else {
            assert.deepEqual(residency.residents(), before);
            const total = needs.reduce((sum, { pages }) => sum + pages, 0);
            assert.ok(held.length > 0 || total > free, "with nothing in use, all that can ever fit does fit");
          }
        } else if (step.kind === "release") {
          const needs = held.splice(step.which % Math.max(held.length, 1), 1)[0];
          if (needs !== undefined) residency.release(needs);
        } else if (step.kind === "drop") {
          residency.drop(`g${step.which}`);
        } else {
          const possible = pool.free + residency.idlePages >= step.pages;
          assert.equal(residency.evictFor(step.pages), possible);
          if (possible) assert.ok(pool.free >= step.pages);
          else assert.equal(pool.free, wasFree);
        }
        const now = residency.residents();
        assert.equal(pool.free + now.reduce((sum, { pages }) => sum + pages, 0), free);
        const pages = now.flatMap(({ firstPage, pages }) => Array.from({ length: pages }, (_, i) => firstPage + i));
        assert.equal(new Set(pages).size, pages.length, "no page has two owners");
        for (const key of new Set(held.flat().map((each) => each.key))) {
          const pins = held.filter((needs) => needs.some((each) => each.key === key)).length;
          const resident = now.find((each) => each.key === key);
          assert.equal(resident?.pins, pins);
          const earlier = before.find((each) => each.key === key);
          if (earlier !== undefined && earlier.pins > 0) assert.equal(resident?.firstPage, earlier.firstPage);
        }
      }
    }),
    { numRuns: 400 },
  );
});
