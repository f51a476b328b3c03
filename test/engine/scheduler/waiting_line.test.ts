// Who is next among those that wait: adapters take turns, and none is passed for ever.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Sequence } from "../../../engine/scheduler/sequence.ts";
import { WaitingLine } from "../../../engine/scheduler/waiting_line.ts";
import { JOB } from "./job.ts";

let arrivals = 0;

function asked(adapter: string, id = adapter): Sequence {
  const routePlan = { kind: "fixed" as const, entries: [{ key: adapter, weight: 1 }] };
  const facts = { prompt: [1], maxTokens: 1, residencyKeys: [], promptLogprobs: false, job: JOB };
  const sequence = new Sequence({ id, routePlan, ...facts });
  sequence.arrival = arrivals++;
  return sequence;
}

/** Ids in the order in which they are admitted, one at a time. */
function served(line: WaitingLine, most = Number.POSITIVE_INFINITY): string[] {
  const ids: string[] = [];
  while (line.length > 0 && ids.length < most) {
    let taken = false;
    line.admit((sequence) => {
      if (taken) return false;
      ids.push(sequence.id);
      taken = true;
      return taken;
    });
  }
  return ids;
}

test("a burst of one adapter waits behind single requests of others that come after it", () => {
  const line = new WaitingLine(1000);
  for (let i = 0; i < 5; i++) line.insert(asked("a", `a${i}`));
  for (const adapter of ["b", "c"]) line.insert(asked(adapter));
  assert.deepEqual(served(line), ["a0", "b", "c", "a1", "a2", "a3", "a4"]);
});

test("an adapter that was idle gets no credit for it, and one that is preempted keeps its turn", () => {
  const line = new WaitingLine(1000);
  for (let i = 0; i < 4; i++) line.insert(asked("a", `a${i}`));
  assert.deepEqual(served(line, 2), ["a0", "a1"]);
  for (let i = 0; i < 3; i++) line.insert(asked("b", `b${i}`));
  const preempted = asked("c");
  preempted.turn = 0;
  line.insert(preempted);
  assert.deepEqual(served(line), ["c", "b0", "a2", "b1", "a3", "b2"]);
});
