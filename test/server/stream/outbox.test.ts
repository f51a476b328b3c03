// The outbox against a sink that takes frames when told to.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { MoloraError } from "../../../proto/errors.ts";
import { resolveLimits } from "../../../server/limits.ts";
import { Outbox } from "../../../server/stream/outbox.ts";

function setUp(stallMs = 1_000) {
  const limits = resolveLimits({ softBufferBytes: 10, hardBufferBytes: 30, stallMs });
  const held: (() => void)[] = [];
  const slow: MoloraError[] = [];
  const outbox = new Outbox(
    (_frame, sent) => held.push(sent),
    limits,
    (error) => slow.push(error),
  );
  return { outbox, held, slow };
}

/** Whether it resolves without anything else happening. */
async function settled(promise: Promise<void>): Promise<boolean> {
  let done = false;
  promise.then(() => {
    done = true;
  });
  await new Promise(setImmediate);
  return done;
}

test("there is room up to the soft limit, and again once enough has left", async () => {
  const { outbox, held } = setUp();
  outbox.send("0123456789");
  assert.ok(await settled(outbox.room()));
  outbox.send(new Uint8Array(5));
  const room = outbox.room();
  assert.equal(await settled(room), false);
  held[0]();
  assert.ok(await settled(room));
  outbox.close();
});

test("bytes are counted as UTF-8", async () => {
  const { outbox } = setUp();
  outbox.send("ééééé€");
  assert.equal(await settled(outbox.room()), false);
  outbox.close();
});

test("at the hard limit the reader is given up once, and who waits is woken", async () => {
  const { outbox, held, slow } = setUp();
  outbox.send(new Uint8Array(30));
  const room = outbox.room();
  outbox.send(new Uint8Array(1));
  outbox.send(new Uint8Array(1));
  assert.deepStrictEqual(
    slow.map((error) => error.code),
    ["slow_reader"],
  );
  assert.equal(held.length, 1);
  assert.ok(await settled(room));
});

test("a single frame may exceed the hard limit", () => {
  const { outbox, held, slow } = setUp();
  outbox.send(new Uint8Array(1000));
  assert.deepStrictEqual([held.length, slow.length], [1, 0]);
  outbox.close();
});

test("a reader that takes nothing for too long is given up; progress starts the clock anew", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { outbox, held, slow } = setUp(100);
  for (let i = 0; i < 3; i++) outbox.send(new Uint8Array(10));
  t.mock.timers.tick(99);
  held[0]();
  t.mock.timers.tick(99);
  assert.equal(slow.length, 0);
  t.mock.timers.tick(1);
  assert.equal(slow.length, 1);
  assert.match(slow[0].message, /100 ms/);
});

test("a reader below the soft limit is never given up", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { outbox, slow } = setUp(100);
  outbox.send(new Uint8Array(10));
  t.mock.timers.tick(10_000);
  assert.equal(slow.length, 0);
  outbox.close();
});
