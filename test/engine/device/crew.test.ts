// The threads of the CPU device as one: a list is done when it was counted, not when somebody was woken.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CONTROL, CONTROL_BYTES } from "../../../engine/cpu/control.ts";
import { ThreadCrew } from "../../../engine/cpu/crew.ts";
import type { ThreadSetup } from "../../../engine/cpu/worker.ts";

test("a thread that tells late of the list before does not end the next one", async () => {
  const memory = { buffer: new SharedArrayBuffer(CONTROL_BYTES), grow: () => 0 };
  const control = new Int32Array(memory.buffer);
  const thread = { ref() {}, unref() {}, terminate() {} };
  const crew = new ThreadCrew(memory, [{ bodies: ["none"] } as unknown as ThreadSetup], () => thread);
  let done = false;
  const computing = crew.compute(CONTROL_BYTES, 1).then(() => {
    done = true;
  });
  Atomics.notify(control, CONTROL.done);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(done, false, "it was woken, but nothing is counted");
  Atomics.add(control, CONTROL.done, 1);
  Atomics.notify(control, CONTROL.done);
  await computing;
  crew.close();
});
