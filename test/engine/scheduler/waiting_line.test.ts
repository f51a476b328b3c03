// Who is next among those that wait: adapters take turns, and none is passed for ever.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Sequence } from "../../../engine/scheduler/sequence.ts";
import { WaitingLine } from "../../../engine/scheduler/waiting_line.ts";
import { JOB } from "./job.ts";

let arrivals = 0;

function asked(adapter: string, id = adapter, tenant = ""): Sequence {
  const routePlan = { kind: "fixed" as const, entries: [{ key: adapter, weight: 1 }] };
  const facts = { prompt: [1], maxTokens: 1, residencyKeys: [], promptLogprobs: false, job: JOB, tenant };
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
  const line = new WaitingLine({ maxSkips: 1000 });
  for (let i = 0; i < 5; i++) line.insert(asked("a", `a${i}`));
  for (const adapter of ["b", "c"]) line.insert(asked(adapter));
  assert.deepEqual(served(line), ["a0", "b", "c", "a1", "a2", "a3", "a4"]);
});

test("an adapter that was idle gets no credit for it, and one that is preempted keeps its turn", () => {
  const line = new WaitingLine({ maxSkips: 1000 });
  for (let i = 0; i < 4; i++) line.insert(asked("a", `a${i}`));
  assert.deepEqual(served(line, 2), ["a0", "a1"]);
  for (let i = 0; i < 3; i++) line.insert(asked("b", `b${i}`));
  const preempted = asked("c");
  preempted.turn = 0;
  line.insert(preempted);
  assert.deepEqual(served(line), ["c", "b0", "a2", "b1", "a3", "b2"]);
});

test("a tenant's burst over many adapters waits behind single requests of others, and its own adapters take turns", () => {
  const line = new WaitingLine({ maxSkips: 1000 });
  for (let i = 0; i < 3; i++) for (const adapter of ["a", "b"]) line.insert(asked(adapter, `1${adapter}${i}`, "one"));
  for (let i = 0; i < 2; i++) line.insert(asked("a", `2a${i}`, "two"));
  line.insert(asked("c", "3c", "three"));
  assert.deepEqual(served(line), ["1a0", "2a0", "3c", "1b0", "2a1", "1a1", "1b1", "1a2", "1b2"]);
});

test("a tenant gets no credit for having been idle, and one that always has something gets no more than its turn", () => {
  const line = new WaitingLine({ maxSkips: 1000 });
  for (let i = 0; i < 6; i++) line.insert(asked("a", `1.${i}`, "one"));
  assert.deepEqual(served(line, 3), ["1.0", "1.1", "1.2"]);
  for (let i = 0; i < 3; i++) line.insert(asked("a", `2.${i}`, "two"));
  const shares = served(line, 4).map((id) => id[0]);
  assert.deepEqual(shares.toSorted(), ["1", "1", "2", "2"]);
  const preempted = asked("a", "1.p", "one");
  [preempted.turn, preempted.arrival] = [-1, 0];
  line.insert(preempted);
  assert.equal(served(line, 1)[0], "1.p");
  assert.equal(line.length, 2);
});

test("in the long run each tenant is served as often as others, whatever it asks", () => {
  const line = new WaitingLine({ maxSkips: 1000 });
  const counts = new Map<string, number>();
  const ask = (tenant: string) => line.insert(asked(`${tenant}${Math.floor(7 * Math.sin(arrivals))}`, tenant, tenant));
  for (const [tenant, many] of [
    ["many", 60],
    ["some", 9],
    ["few", 3],
  ] as const) {
    for (let i = 0; i < many; i++) ask(tenant);
  }
  for (let i = 0; i < 300; i++) {
    const [tenant] = served(line, 1);
    counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
    ask(tenant);
  }
  for (const count of counts.values()) assert.ok(Math.abs(count - 100) <= 1, [...counts].join(" "));
});

test("one that waited for longer than the threshold is passed no more", () => {
  let time = 0;
  const line = new WaitingLine({ maxSkips: 1000, drainAfterMs: 500, now: () => time });
  const large = asked("large");
  line.insert(large);
  const admitted: string[] = [];
  const tryAll = () =>
    line.admit((sequence) => {
      if (sequence === large) return false;
      admitted.push(sequence.id);
      return true;
    });
  line.insert(asked("b"));
  tryAll();
  assert.deepEqual(admitted, ["b"]);
  time = 499;
  line.insert(asked("c"));
  tryAll();
  assert.deepEqual(admitted, ["b", "c"]);
  time = 500;
  line.insert(asked("d"));
  tryAll();
  assert.deepEqual(admitted, ["b", "c"], "what runs drains for it");
  line.remove(large);
  tryAll();
  assert.deepEqual(admitted, ["b", "c", "d"]);
});
