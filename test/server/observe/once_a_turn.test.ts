// One reading a turn, another one the next, and a reading that fails is tried again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { onceATurn } from "../../../server/observe/once_a_turn.ts";

test("all who ask in one turn get one reading, microtasks between them or not", async () => {
  let count = 0;
  const read = onceATurn(() => ++count);
  assert.deepEqual([read(), read()], [1, 1]);
  await Promise.resolve();
  assert.equal(read(), 1);
  await nextTurn();
  assert.deepEqual([read(), read()], [2, 2]);
});

test("what throws is not kept", () => {
  let fails = true;
  const read = onceATurn(() => {
    if (fails) throw new Error("not yet");
    return 1;
  });
  assert.throws(read, /not yet/);
  fails = false;
  assert.equal(read(), 1);
});
