// The prefix cache on a pool: what is found, what is shared, what gives way, and that the pool keeps its books.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PagePool } from "../../../engine/memory/page_pool.ts";
import { emptyPrefix, PrefixCache } from "../../../engine/memory/prefix_cache.ts";

const ROOT = emptyPrefix("none");

test("a page is found by what came before it and by its own tokens", () => {
  const cache = new PrefixCache(new PagePool(9));
  const [a, b] = [cache.take()!, cache.take()!];
  const first = cache.publish(ROOT, [1, 2], a);
  const second = cache.publish(first, [1, 2], b);
  assert.deepEqual(cache.adopt(ROOT, [1, 2]), { page: a, prefix: first });
  assert.deepEqual(cache.adopt(first, [1, 2]), { page: b, prefix: second });
  assert.equal(cache.adopt(second, [1, 2]), undefined);
  assert.equal(cache.adopt(ROOT, [1, 3]), undefined);
  assert.equal(cache.adopt(emptyPrefix("router r"), [1, 2]), undefined);
});

test("of two pages with the same content the first stays the known one, and the beginning goes on from it", () => {
  const cache = new PrefixCache(new PagePool(9));
  const [a, b] = [cache.take()!, cache.take()!];
  const prefix = cache.publish(ROOT, [1], a);
  assert.equal(cache.publish(ROOT, [1], b), prefix);
  assert.equal(cache.adopt(ROOT, [1])!.page, a);
});

test("held pages are not free; kept ones are, are found again, and are lost to whoever takes them", () => {
  const pool = new PagePool(4);
  const cache = new PrefixCache(pool);
  const pages = [cache.take()!, cache.take()!];
  for (const [i, page] of pages.entries()) cache.publish(ROOT, [i], page);
  assert.equal(cache.adopt(ROOT, [0])!.page, pages[0]);
  cache.release(pages[0]);
  assert.equal(pool.free, 1, "held once more");
  for (const page of pages) cache.release(page);
  assert.equal(pool.free, 3);
  assert.notEqual(cache.take(), pages[0], "an empty page goes first");
  assert.equal(cache.take(), pages[0], "then the one kept longest");
  assert.equal(cache.adopt(ROOT, [0]), undefined);
  assert.equal(cache.adopt(ROOT, [1])!.page, pages[1]);
  assert.deepEqual([pool.free, cache.take()], [0, undefined]);
});

test("a forgotten page is found by nobody; who holds it keeps it, and it goes back like any other", () => {
  const pool = new PagePool(4);
  const cache = new PrefixCache(pool);
  const page = cache.take()!;
  const prefix = cache.publish(ROOT, [1], page);
  cache.adopt(ROOT, [1]);
  cache.forget(page);
  cache.forget(page);
  assert.equal(cache.adopt(ROOT, [1]), undefined);
  cache.release(page);
  assert.equal(pool.free, 2);
  cache.release(page);
  assert.equal(pool.free, 3);
  const again = cache.take()!;
  assert.notEqual(cache.publish(ROOT, [1], again), prefix);
  assert.equal(cache.adopt(ROOT, [1])!.page, again);
});

test("a run that takes kept pages makes them unknown", () => {
  const pool = new PagePool(4);
  const cache = new PrefixCache(pool);
  const page = cache.take()!;
  cache.publish(ROOT, [1], page);
  cache.release(page);
  assert.equal(pool.takeRun(3), 1);
  assert.equal(cache.adopt(ROOT, [1]), undefined);
});
