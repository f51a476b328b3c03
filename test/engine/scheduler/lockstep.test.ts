// A sequence whose next token depends on the ids before it is never planned ahead of them; its neighbours are.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PagePool } from "../../../engine/memory/page_pool.ts";
import { Residency } from "../../../engine/memory/residency.ts";
import { Scheduler } from "../../../engine/scheduler/scheduler.ts";
import { Sequence } from "../../../engine/scheduler/sequence.ts";
import { JOB } from "./job.ts";

const LIMITS = { maxSequences: 4, maxBatchTokens: 64, prefillChunk: 32, pageTokens: 16, maxQueue: 8, maxLogitRows: 64 };

test("lockstep sequences wait for their ids, others run one step ahead", () => {
  const pool = new PagePool(9);
  const scheduler = new Scheduler({ ...LIMITS, runAhead: 1 }, pool, new Residency(pool));
  const [held, free] = [true, false].map((lockstep) => {
    const shared = {
      routePlan: { kind: "none" as const },
      residencyKeys: [],
      promptLogprobs: false,
      job: JOB,
    };
    const sequence = new Sequence({ id: String(lockstep), prompt: [1, 2, 3], maxTokens: 8, lockstep, ...shared });
    scheduler.add(sequence);
    return sequence;
  });
  const plan = () => {
    const planned = scheduler.schedule();
    scheduler.advance(planned);
    return planned.slices.map(({ sequence }) => sequence);
  };
  assert.deepStrictEqual(plan(), [held, free]);
  // No id was delivered yet.
  assert.deepStrictEqual(plan(), [free]);
  assert.deepStrictEqual(plan(), []);
  scheduler.deliver(held, 7);
  assert.deepStrictEqual(plan(), [held]);
  scheduler.deliver(free, 7);
  scheduler.deliver(held, 7);
  assert.deepStrictEqual(plan(), [held, free]);
});
