// Waiting for masks: briefly for all of them, and then only as long as there is nothing else to do.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Held } from "../../../engine/requests/held.ts";

function later(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

test("a sequence is held until its mask is known, and nobody waits long for it", async () => {
  const held = new Held();
  await held.soon();
  const [one, other] = [later(), later()];
  const sequences = [{ held: false }, { held: false }];
  held.add(sequences[0], one.promise);
  held.add(sequences[1], other.promise);
  assert.deepStrictEqual(sequences, [{ held: true }, { held: true }]);
  const begun = performance.now();
  await held.soon();
  assert.ok(performance.now() - begun < 1000);
  assert.equal(held.size, 2);
  one.resolve();
  await held.next();
  assert.deepStrictEqual(sequences, [{ held: false }, { held: true }]);
  assert.equal(held.size, 1);
  const next = held.next();
  held.wake();
  await next;
  assert.equal(held.size, 1);
  other.resolve();
  await held.soon();
  assert.equal(held.size, 0);
});
