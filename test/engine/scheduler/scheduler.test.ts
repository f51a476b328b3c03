import assert from "node:assert/strict";
import { test } from "node:test";
import { PagePool } from "../../../engine/memory/page_pool.ts";
import { Residency, type ResidentNeed } from "../../../engine/memory/residency.ts";
import type { SchedulerOptions } from "../../../engine/scheduler/options.ts";
import { Scheduler } from "../../../engine/scheduler/scheduler.ts";
import type { RoutePlan } from "../../../engine/scheduler/sequence.ts";
import { NO_SLOT, Sequence } from "../../../engine/scheduler/sequence.ts";
import type { StepPlan } from "../../../engine/scheduler/step.ts";
import { MoloraError } from "../../../proto/errors.ts";
import { JOB } from "./job.ts";

const OPTIONS: SchedulerOptions = {
  maxSequences: 4,
  maxBatchTokens: 64,
  prefillChunk: 32,
  pageTokens: 16,
  maxQueue: 100,
  maxLogitRows: 64,
};

function setUp(pages: number, options: Partial<SchedulerOptions> = {}) {
  const pool = new PagePool(pages + 1);
  const residency = new Residency(pool);
  return { pool, residency, scheduler: new Scheduler({ ...OPTIONS, ...options }, pool, residency) };
}

let created = 0;
function sequence(
  promptLength: number,
  maxTokens: number,
  needs: ResidentNeed[] = [],
  promptLogprobs = false,
): Sequence {
  const first = 1000 * created;
  return new Sequence({
    id: `r${created++}`,
    prompt: Array.from({ length: promptLength }, (_, i) => first + i),
    maxTokens,
    routePlan: { kind: "none" },
    residencyKeys: needs,
    promptLogprobs,
    job: JOB,
  });
}

/** One step without a device: every sampled id is 7 and is delivered at once. */
function step(scheduler: Scheduler): StepPlan {
  const plan = scheduler.schedule();
  scheduler.advance(plan);
  for (const slice of plan.slices) if (slice.samples) scheduler.deliver(slice.sequence, 7);
  return plan;
}

const shares = (plan: StepPlan) =>
  plan.slices.map(({ sequence, start, count, samples }) => [sequence.id, start, count, samples]);
const code = (expected: string) => (error: unknown) => error instanceof MoloraError && error.code === expected;

test("a long prompt is computed in chunks, the last of which samples; then one token a step", () => {
  const { scheduler } = setUp(10);
  const a = sequence(70, 3);
  scheduler.add(a);
  assert.deepEqual(shares(step(scheduler)), [[a.id, 0, 32, false]]);
  assert.deepEqual(shares(step(scheduler)), [[a.id, 32, 32, false]]);
  assert.deepEqual(shares(step(scheduler)), [[a.id, 64, 6, true]]);
  assert.deepEqual(shares(step(scheduler)), [[a.id, 70, 1, true]]);
  assert.deepEqual(shares(step(scheduler)), [[a.id, 71, 1, true]]);
  assert.deepEqual(shares(step(scheduler)), [], "it has its three tokens");
  scheduler.finish(a);
  assert.equal(scheduler.hasWork, false);
});

test("decodes come first, then running prefills, then admissions, within the budget of tokens", () => {
  const { scheduler } = setUp(40, { maxBatchTokens: 40 });
  const [a, b, c] = [sequence(5, 9), sequence(60, 9), sequence(60, 9)];
  scheduler.add(a);
  step(scheduler);
  scheduler.add(b);
  assert.deepEqual(shares(step(scheduler)), [
    [a.id, 5, 1, true],
    [b.id, 0, 32, false],
  ]);
  scheduler.add(c);
  assert.deepEqual(shares(step(scheduler)), [
    [a.id, 6, 1, true],
    [b.id, 32, 28, true],
    [c.id, 0, 11, false],
  ]);
});

test("a sequence that outgrows its turns is computed anew, once the host knows its tokens", () => {
  const { scheduler } = setUp(20, { shortTurns: { within: 34, at: 100 } });
  const [a, long] = [sequence(33, 4), sequence(35, 1)];
  scheduler.add(a);
  scheduler.add(long);
  assert.deepEqual(shares(step(scheduler)), [
    [a.id, 0, 32, false],
    [long.id, 0, 32, false],
  ]);
  assert.deepEqual([a.firstTurn, long.firstTurn], [100, 0]);
  step(scheduler);
  scheduler.finish(long);
  const last = scheduler.schedule();
  scheduler.advance(last);
  assert.deepEqual(shares(last), [[a.id, 33, 1, true]], "the 34th is the last that is turned so");
  assert.equal(scheduler.schedule().tokens, 0, "its 35th is not known yet");
  scheduler.deliver(a, 7);
  assert.deepEqual(shares(step(scheduler)), [[a.id, 0, 32, false]]);
  assert.equal(a.firstTurn, 0);
  assert.deepEqual(shares(step(scheduler)), [[a.id, 32, 3, true]]);
  assert.deepEqual(shares(step(scheduler)), [[a.id, 35, 1, true]]);
  // The same beginning, turned otherwise, is another one.
  scheduler.finish(a);
  const again = new Sequence({ ...a, prompt: a.tokens.slice(0, 34), maxTokens: 1, residencyKeys: [] });
  scheduler.add(again);
  step(scheduler);
  assert.deepEqual([again.firstTurn, again.adopted], [100, 32], "as the first time, before it was too long");
});

test("running ahead: the next step can be planned on a token only the device knows", () => {
  const { scheduler } = setUp(10);
  const a = sequence(4, 3);
  scheduler.add(a);
  const plans = [1, 2].map(() => {
    const plan = scheduler.schedule();
    scheduler.advance(plan);
    return plan;
  });
  assert.deepEqual(plans.map(shares), [[[a.id, 0, 4, true]], [[a.id, 4, 1, true]]]);
  assert.equal(a.pendingTokens, 2);
  assert.equal(scheduler.schedule().tokens, 0, "two ids unseen are one too many");
  assert.equal(scheduler.deliver(a, 11), true);
  scheduler.advance(scheduler.schedule());
  scheduler.deliver(a, 12);
  scheduler.deliver(a, 13);
  assert.deepEqual(a.tokens.slice(4), [11, 12, 13]);
  assert.throws(() => scheduler.deliver(a, 14), code("internal"));
});

test("cancelling frees everything by the next step and late ids are ignored", () => {
  const { pool, residency, scheduler } = setUp(8, { maxSequences: 1 });
  const needs = [{ key: "math", pages: 2 }];
  const [a, b] = [sequence(40, 20, needs), sequence(40, 20, needs)];
  scheduler.add(a);
  scheduler.add(b);
  step(scheduler);
  const plan = scheduler.schedule();
  assert.equal(scheduler.cancel(a), true);
  scheduler.advance(plan);
  assert.deepEqual([a.state, a.slot, a.pages, residency.idlePages, pool.free], ["finished", NO_SLOT, [], 2, 6]);
  assert.equal(scheduler.deliver(a, 5), false);
  assert.equal(scheduler.cancel(a), false);
  const next = step(scheduler);
  assert.deepEqual(shares(next), [[b.id, 0, 32, false]]);
  assert.deepEqual(next.uploads, [], "math is still on the device");
  scheduler.cancel(b);
  assert.equal(scheduler.hasWork, false);
});

test("uploads name what has just been given pages, once", () => {
  const { scheduler } = setUp(20);
  const mixture = [
    { key: "router", pages: 1 },
    { key: "math", pages: 3 },
  ];
  scheduler.add(sequence(4, 4, mixture));
  scheduler.add(sequence(4, 4, [{ key: "math", pages: 3 }]));
  assert.deepEqual(
    step(scheduler)
      .uploads.map(({ key, firstPage }) => [key, firstPage])
      .sort(),
    [
      ["math", 1],
      ["router", 4],
    ],
  );
  assert.deepEqual(step(scheduler).uploads, []);
});

test("short of pages, idle adapters go first, then the newest running sequence, which comes back with its tokens", () => {
  const { residency, scheduler } = setUp(6);
  const warm = sequence(1, 1, [{ key: "idle", pages: 1 }]);
  scheduler.add(warm);
  step(scheduler);
  scheduler.finish(warm);
  const [old, young] = [sequence(30, 40), sequence(30, 30)];
  scheduler.add(old);
  scheduler.add(young);
  for (let steps = 0; steps < 4; steps++) step(scheduler); // both at 33 positions: three pages each
  assert.deepEqual([residency.residents(), scheduler.evictions, scheduler.preemptions], [[], 1, 0]);
  for (let steps = 0; steps < 15; steps++) step(scheduler); // both at 48, and old needs a fourth page
  assert.equal(scheduler.preemptions, 0);
  step(scheduler);
  assert.deepEqual([scheduler.preemptions, old.computed, young.state, young.tokens.length], [1, 49, "waiting", 49]);
  assert.deepEqual(shares(step(scheduler)), [[old.id, 49, 1, true]], "two pages are free, young needs four");
  scheduler.finish(old);
  assert.deepEqual(shares(step(scheduler)), [[young.id, 32, 17, true]], "but for the page old took, it finds its own");
});

test("a sequence with a token the host has not seen is not preempted: the older one waits until it was seen", () => {
  const { scheduler } = setUp(4, { pageTokens: 2 });
  const [old, young] = [sequence(2, 6), sequence(1, 5)];
  scheduler.add(old);
  scheduler.add(young);
  const submit = () => {
    const plan = scheduler.schedule();
    scheduler.advance(plan);
    return shares(plan).map(([id, start]) => [id, start]);
  };
  submit();
  for (let steps = 0; steps < 2; steps++) {
    scheduler.deliver(old, 7);
    submit();
    scheduler.deliver(young, 7); // always one behind
  }
  scheduler.deliver(old, 7);
  assert.deepEqual([old.pages.length, young.pages.length, young.pendingTokens], [2, 2, 1]);
  assert.deepEqual(submit(), [[young.id, 3]], "old needs a third page and cannot have it yet");
  scheduler.deliver(young, 7);
  scheduler.deliver(young, 7);
  assert.equal(scheduler.preemptions, 0);
  assert.deepEqual(submit(), [[old.id, 4]]);
  assert.deepEqual([scheduler.preemptions, young.state, young.tokens.slice(1)], [1, "waiting", [7, 7, 7, 7]]);
});

test("an older prefill short of pages does not take those of a decode that is in the step already", () => {
  const { scheduler } = setUp(9, { pageTokens: 4, prefillChunk: 1 });
  const [old, young] = [sequence(20, 1), sequence(1, 30)];
  scheduler.add(old);
  scheduler.add(young);
  for (let steps = 0; steps < 16; steps++) assert.equal(step(scheduler).tokens, 2);
  // Both need a fifth page; there is one, and decodes come first.
  for (const position of [16, 17, 18, 19]) assert.deepEqual(shares(step(scheduler)), [[young.id, position, 1, true]]);
  assert.equal(scheduler.preemptions, 0);
  // Now young needs a sixth and cannot go on, so it is not in the step.
  assert.deepEqual(shares(step(scheduler)), [[old.id, 16, 1, false]]);
  assert.deepEqual([scheduler.preemptions, young.state], [1, "waiting"]);
});

for (const [which, lengths] of [
  ["an older one", [5, 9]],
  ["one that has all its tokens", [9, 5]],
] as const) {
  test(`${which} does not yield its pages: who needs them waits and keeps what it has`, () => {
    const { scheduler } = setUp(4, { pageTokens: 4 });
    const both = lengths.map((maxTokens) => sequence(4, maxTokens));
    const [ending, going] = both.toSorted((a, b) => a.maxTokens - b.maxTokens);
    for (const each of both) scheduler.add(each);
    for (let steps = 0; steps < 5; steps++) assert.equal(step(scheduler).slices.length, 2);
    assert.deepEqual([ending.remaining, ending.pages.length, going.computed], [0, 2, 8]);
    assert.equal(step(scheduler).tokens, 0, "going needs a third page, and ending was not finished yet");
    assert.deepEqual(
      [ending.state, going.state, going.pages.length, scheduler.preemptions],
      ["running", "running", 2, 0],
    );
    scheduler.finish(ending);
    assert.deepEqual(shares(step(scheduler)), [[going.id, 8, 1, true]]);
  });
}

test("admission leaves the running ones the pages for what they have and one to grow into", () => {
  const { pool, scheduler } = setUp(6, { prefillChunk: 16 });
  const [long, late] = [sequence(60, 20), sequence(1, 1)];
  scheduler.add(long);
  step(scheduler);
  assert.equal(pool.free, 5, "the first chunk took one page of five");
  scheduler.add(late);
  const later = sequence(17, 9);
  scheduler.add(later);
  assert.deepEqual(shares(step(scheduler)), [
    [long.id, 16, 16, false],
    [late.id, 0, 1, true],
  ]);
  assert.equal(later.state, "waiting", "two pages are free beside what late has, but long needs them");
});

test("one that does not fit is passed, but only so often", () => {
  const { scheduler } = setUp(12, { maxSkips: 2 });
  const hold = sequence(20, 40, [{ key: "held", pages: 4 }]);
  const big = sequence(20, 40, [{ key: "big", pages: 6 }]);
  const small = Array.from({ length: 3 }, () => sequence(5, 4));
  for (const each of [hold, big, ...small]) scheduler.add(each);
  const plan = step(scheduler);
  assert.deepEqual(
    plan.slices.map((slice) => slice.sequence),
    [hold, small[0], small[1]],
  );
  assert.equal(big.skips, 2);
  assert.equal(small[2].state, "waiting", "big is a barrier now, though small[2] would fit");
  scheduler.finish(small[0]);
  scheduler.finish(small[1]);
  assert.equal(step(scheduler).slices.length, 1);
  scheduler.finish(hold);
  assert.deepEqual(
    step(scheduler).slices.map((slice) => slice.sequence),
    [big, small[2]],
  );
});

test("what can never run is refused when it is added", () => {
  const { scheduler } = setUp(4, { maxQueue: 1 });
  const adapter = (pages: number) => [{ key: "a", pages }];
  assert.equal(scheduler.longest([]), 65);
  assert.equal(scheduler.longest([...adapter(3), ...adapter(3)]), 17);
  assert.equal(scheduler.longest(adapter(4)), 0);
  assert.throws(() => scheduler.add(sequence(0, 1)), code("prompt_empty"));
  assert.throws(() => scheduler.add(sequence(1, 1, adapter(4))), code("out_of_pages"));
  assert.throws(() => scheduler.add(sequence(17, 1, adapter(3))), code("prompt_too_long"));
  assert.throws(() => scheduler.add(sequence(16, 2, adapter(3))), code("out_of_pages"));
  const fits = sequence(16, 1, adapter(3));
  scheduler.add(fits);
  assert.throws(() => scheduler.add(fits), code("internal"));
  assert.throws(() => scheduler.add(sequence(1, 1)), code("queue_full"));
  assert.deepEqual(shares(step(scheduler)), [[fits.id, 0, 16, true]]);
});

test("every prompt position of a promptLogprobs request is a logit row; scoring alone samples nothing", () => {
  const { scheduler } = setUp(20, { maxLogitRows: 12 });
  const [plain, scored] = [sequence(4, 4), sequence(20, 0, [], true)];
  scheduler.add(plain);
  scheduler.add(scored);
  const rows = (plan: StepPlan) => plan.slices.map(({ count, logitRows }) => [count, logitRows]);
  assert.deepEqual(rows(step(scheduler)), [
    [4, 1],
    [11, 11],
  ]);
  assert.deepEqual(rows(step(scheduler)), [
    [1, 1],
    [9, 9],
  ]);
  assert.deepEqual([scored.computed, scored.pendingTokens, scored.remaining], [20, 0, 0]);
});

test("ten thousand waiting requests cost a step little", () => {
  const { scheduler } = setUp(100, { maxQueue: 10_000 });
  const blocked = () => sequence(300, 1200, [{ key: "large", pages: 5 }]);
  for (let i = 0; i < 10_000; i++) scheduler.add(blocked());
  const started = performance.now();
  for (let i = 0; i < 100; i++) step(scheduler);
  const each = (performance.now() - started) / 100;
  assert.ok(each < 25, `a step took ${each.toFixed(2)} ms`);
});

test("an abandoned plan ends its sequences, and its uploads come with the next plan as long as their pages are theirs", () => {
  const { scheduler, pool, residency } = setUp(8);
  const one = [{ key: "one", pages: 2 }];
  const [a, b] = [sequence(5, 3, one), sequence(5, 3, one)];
  scheduler.add(a);
  const lost = scheduler.schedule();
  assert.deepEqual(
    lost.uploads.map(({ key }) => key),
    ["one"],
  );
  scheduler.abandon(lost);
  scheduler.advance(lost);
  assert.deepEqual([a.state, scheduler.running, pool.free + residency.idlePages], ["finished", 0, 8]);
  scheduler.add(b);
  const next = scheduler.schedule();
  assert.deepEqual(
    next.uploads.map(({ key }) => key),
    ["one"],
    "resident, and yet to be written",
  );
  scheduler.abandon(next);
  scheduler.advance(next);
  // Another takes the pages: nothing is owed for who has none.
  const all = [{ key: "all", pages: 7 }];
  scheduler.add(sequence(5, 3, all));
  assert.deepEqual(
    step(scheduler).uploads.map(({ key }) => key),
    ["all"],
  );
  assert.deepEqual(step(scheduler).uploads, []);
});

test("wrong use and impossible options are named", () => {
  const { scheduler } = setUp(4);
  scheduler.add(sequence(1, 4));
  const plan = scheduler.schedule();
  assert.throws(() => scheduler.schedule(), code("internal"));
  assert.throws(() => scheduler.advance({ ...plan }), code("internal"));
  scheduler.advance(plan);
  assert.throws(() => setUp(4, { maxBatchTokens: 3 }), code("bad_arguments"));
  assert.throws(() => setUp(4, { maxLogitRows: 3 }), code("bad_arguments"));
  assert.throws(() => setUp(4, { prefillChunk: 0 }), code("bad_arguments"));
  assert.throws(() => setUp(4, { runAhead: -1 }), code("bad_arguments"));
});

/** A sequence of given tokens that ends with its first. */
function asked(prompt: number[], more: Partial<ConstructorParameters<typeof Sequence>[0]> = {}): Sequence {
  const facts = { maxTokens: 1, routePlan: { kind: "none" } as const, residencyKeys: [], promptLogprobs: false };
  return new Sequence({ id: `r${created++}`, prompt, ...facts, job: JOB, ...more });
}

/** Runs one alone; where its computing began. */
function beginning(scheduler: Scheduler, one: Sequence): number {
  scheduler.add(one);
  const start = step(scheduler).slices[0].start;
  while (one.tokens.length === one.promptLength) step(scheduler);
  scheduler.finish(one);
  return start;
}

test("what was computed is found again: whole pages, under the same route, but for the last token", () => {
  const { scheduler, pool } = setUp(20);
  const prompt = Array.from({ length: 40 }, (_, i) => i);
  assert.equal(beginning(scheduler, asked(prompt)), 0);
  assert.equal(beginning(scheduler, asked(prompt)), 32);
  assert.equal(beginning(scheduler, asked(prompt.slice(0, 32))), 16, "the last token must be computed");
  assert.equal(beginning(scheduler, asked([...prompt.slice(0, 31), 99, 100])), 16);
  assert.equal(beginning(scheduler, asked([99, ...prompt.slice(1)])), 0);
  const routePlan: RoutePlan = { kind: "fixed", entries: [{ key: "a", weight: 1 }] };
  assert.equal(beginning(scheduler, asked(prompt, { routePlan })), 0);
  assert.equal(beginning(scheduler, asked(prompt, { promptLogprobs: true })), 0, "logits of the prompt are wanted");
  assert.equal(pool.free, 20, "all pages are free all the same");
});

test("a conversation goes on where it stopped, with what was generated", () => {
  const { scheduler } = setUp(20);
  const first = asked([1, 2, 3], { maxTokens: 40 });
  scheduler.add(first);
  while (first.tokens.length < 43) step(scheduler);
  scheduler.finish(first);
  assert.equal(beginning(scheduler, asked([...first.tokens, 8, 9])), 32, "42 tokens were computed");
});

test("sequences that run share the pages of their beginning, and keep them while one of them lives", () => {
  const { scheduler, pool } = setUp(20);
  const prompt = Array.from({ length: 33 }, (_, i) => i);
  const [one, two] = [asked(prompt, { maxTokens: 9 }), asked(prompt, { maxTokens: 9 })];
  scheduler.add(one);
  step(scheduler);
  step(scheduler);
  scheduler.add(two);
  step(scheduler);
  assert.deepEqual(two.pages.slice(0, 2), one.pages.slice(0, 2));
  assert.notEqual(two.pages[2], one.pages[2]);
  assert.equal(pool.free, 16);
  scheduler.finish(one);
  assert.equal(pool.free, 17);
  scheduler.finish(two);
  assert.equal(pool.free, 20);
});

test("the beginning longest unused gives way first, and to an adapter at once", () => {
  const { scheduler } = setUp(6);
  const prompt = (salt: number) => Array.from({ length: 32 }, (_, i) => 100 * salt + i);
  for (const salt of [1, 2, 1, 3]) beginning(scheduler, asked([...prompt(salt), 0])); // three pages each
  assert.deepEqual(
    [1, 3].map((salt) => beginning(scheduler, asked([...prompt(salt), 0]))),
    [32, 32],
  );
  assert.equal(beginning(scheduler, asked([...prompt(2), 0])), 16, "the third took its second page");
  const needs = [{ key: "large", pages: 5 }];
  assert.equal(beginning(scheduler, asked([5], { residencyKeys: needs })), 0);
  assert.equal(beginning(scheduler, asked([...prompt(2), 0])), 0);
});

test("without a prefix cache nothing is found", () => {
  const { scheduler } = setUp(20, { prefixCache: false });
  const prompt = Array.from({ length: 40 }, (_, i) => i);
  assert.deepEqual(
    [1, 2].map(() => beginning(scheduler, asked(prompt))),
    [0, 0],
  );
});

test("one whose beginning is found waits for a row of logits where the step has no more", () => {
  const { scheduler } = setUp(20, { maxSequences: 2, maxLogitRows: 2, prefillChunk: 16 });
  const prompt = Array.from({ length: 17 }, (_, i) => i);
  beginning(scheduler, asked(prompt));
  scheduler.add(asked([7, 8, 9], { promptLogprobs: true }));
  scheduler.add(asked(prompt));
  assert.deepEqual(
    step(scheduler).slices.map(({ start, count, logitRows }) => [start, count, logitRows]),
    [[0, 2, 2]],
  );
  assert.equal(scheduler.running, 2);
});
