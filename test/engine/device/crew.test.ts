// The threads of the CPU device as one: a list is done when it was counted, not when somebody was woken.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { CONTROL, CONTROL_BYTES } from "../../../engine/cpu/control.ts";
import { ThreadCrew } from "../../../engine/cpu/crew.ts";
import type { ThreadSetup } from "../../../engine/cpu/worker.ts";

/** A crew of one thread, which is the test itself. */
function crewOfOne() {
  const memory = { buffer: new SharedArrayBuffer(CONTROL_BYTES), grow: () => 0 };
  const control = new Int32Array(memory.buffer);
  const thread = { ref() {}, unref() {}, terminate() {} };
  let end: (reason: string) => void = () => {};
  const crew = new ThreadCrew(memory, [{ bodies: ["none"] } as unknown as ThreadSetup], (_, onEnd) => {
    end = onEnd;
    return thread;
  });
  const finish = () => {
    Atomics.add(control, CONTROL.done, 1);
    Atomics.notify(control, CONTROL.done);
  };
  return { crew, control, finish, end };
}

test("a thread that tells late of the list before does not end the next one", async () => {
  const { crew, control, finish } = crewOfOne();
  let done = false;
  const computing = crew.compute(CONTROL_BYTES, 1).then(() => {
    done = true;
  });
  Atomics.notify(control, CONTROL.done);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(done, false, "it was woken, but nothing is counted");
  finish();
  await computing;
  crew.close();
});

test("a list that is done leaves nothing behind", async () => {
  const { crew, finish } = crewOfOne();
  const compute = async (times: number) => {
    for (let i = 0; i < times; i++) {
      const computing = crew.compute(CONTROL_BYTES, 1);
      finish();
      await computing;
    }
  };
  await compute(2_000);
  const before = heapUsed();
  await compute(20_000);
  const perList = (heapUsed() - before) / 20_000;
  assert.ok(perList < 20, `${perList} bytes a list are kept`);
  crew.close();
});

test("a thread's end fails the list that is computed, and every later one", async () => {
  const { crew, end } = crewOfOne();
  const computing = crew.compute(CONTROL_BYTES, 1);
  end("out of memory");
  const lost = { code: "gpu_lost", message: /out of memory/ };
  await assert.rejects(computing, lost);
  await assert.rejects(crew.compute(CONTROL_BYTES, 1), lost);
});

/** Bytes, after a collection. */
function heapUsed(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  return process.memoryUsage().heapUsed;
}
