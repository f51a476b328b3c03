import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PagePool } from "../../../engine/memory/page_pool.ts";
import { Residency } from "../../../engine/memory/residency.ts";
import { Scheduler } from "../../../engine/scheduler/scheduler.ts";
import { Sequence } from "../../../engine/scheduler/sequence.ts";
import { MoloraError } from "../../../proto/errors.ts";
import { JOB } from "./job.ts";
import { nextToken, type Sampled, SimulatedDevice } from "./simulated_device.ts";

const PAGE_TOKENS = 4;
/** Index = adapter; value = pages. */
const ADAPTERS = [1, 2, 3, 2, 1];

const scenario = fc.record({
  pages: fc.integer({ min: 8, max: 26 }),
  maxSequences: fc.integer({ min: 1, max: 5 }),
  spareTokens: fc.integer({ min: 0, max: 12 }),
  spareRows: fc.integer({ min: 0, max: 4 }),
  prefillChunk: fc.oneof(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 3, max: 10 })),
  maxSkips: fc.integer({ min: 1, max: 4 }),
  runAhead: fc.integer({ min: 0, max: 1 }),
});

const operation = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("add" as const),
      prompt: fc.integer({ min: 1, max: 24 }),
      maxTokens: fc.integer({ min: 0, max: 40 }),
      stopAfter: fc.integer({ min: 1, max: 60 }),
      adapters: fc.array(fc.integer({ min: 0, max: ADAPTERS.length - 1 }), { maxLength: 3 }),
      promptLogprobs: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("step" as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("deliver" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), which: fc.nat() }) },
);
type Add = { prompt: number; maxTokens: number; stopAfter: number; adapters: number[]; promptLogprobs: boolean };

/** An engine's loop around a scheduler, with all that must hold checked after every move. */
class Harness {
  readonly sequences: Sequence[] = [];
  readonly options;
  readonly pool: PagePool;
  readonly residency: Residency;
  readonly scheduler: Scheduler;
  readonly #device: SimulatedDevice;
  readonly #stopAfter = new Map<Sequence, number>();
  readonly #rowsSeen = new Map<Sequence, number>();
  readonly #inFlight: Sampled[][] = [];

  constructor(given: typeof scenario extends fc.Arbitrary<infer T> ? T : never) {
    this.options = {
      maxSequences: given.maxSequences,
      maxBatchTokens: given.maxSequences + given.spareTokens,
      maxLogitRows: given.maxSequences + given.spareRows,
      prefillChunk: given.prefillChunk,
      pageTokens: PAGE_TOKENS,
      maxQueue: 6,
      maxSkips: given.maxSkips,
      runAhead: given.runAhead,
    };
    this.pool = new PagePool(given.pages);
    this.residency = new Residency(this.pool);
    this.scheduler = new Scheduler(this.options, this.pool, this.residency);
    this.#device = new SimulatedDevice(this.residency, PAGE_TOKENS);
  }

  get idle(): boolean {
    return this.#inFlight.length === 0;
  }

  add({ prompt, maxTokens, stopAfter, adapters, promptLogprobs }: Add): void {
    const id = `r${this.sequences.length}`;
    const residencyKeys = adapters.map((i) => ({ key: `a${i}`, pages: ADAPTERS[i] }));
    const sequence = new Sequence({
      id,
      prompt: Array.from({ length: prompt }, (_, position) => nextToken(id, position)),
      maxTokens,
      routePlan:
        adapters.length === 0
          ? { kind: "none" }
          : { kind: "fixed", entries: residencyKeys.map(({ key }) => ({ key, weight: 1 })) },
      residencyKeys,
      promptLogprobs,
      job: JOB,
    });
    const tokens = prompt + Math.max(maxTokens, 1);
    const fits = tokens <= this.scheduler.longest(residencyKeys);
    const full = this.scheduler.waiting >= this.options.maxQueue;
    try {
      this.scheduler.add(sequence);
      assert.ok(fits && !full);
      this.sequences.push(sequence);
      this.#stopAfter.set(sequence, stopAfter);
    } catch (error) {
      if (!(error instanceof MoloraError)) throw error;
      if (fits) assert.equal(error.code, full ? "queue_full" : "never");
      else assert.ok(error.code === "out_of_pages" || error.code === "prompt_too_long");
    }
  }

  /** schedule → run → advance; true when the plan had tokens. */
  step(): boolean {
    const before = this.#running().map((sequence) => ({ sequence, remaining: sequence.remaining }));
    const plan = this.scheduler.schedule();
    const members = new Set(plan.slices.map(({ sequence }) => sequence));
    assert.equal(members.size, plan.slices.length, "one slice a sequence");
    assert.equal(
      plan.tokens,
      plan.slices.reduce((sum, { count }) => sum + count, 0),
    );
    assert.equal(
      plan.logitRows,
      plan.slices.reduce((sum, { logitRows }) => sum + logitRows, 0),
    );
    assert.ok(plan.tokens <= this.options.maxBatchTokens);
    assert.ok(plan.logitRows <= this.options.maxLogitRows);
    for (const { sequence, start, count, samples, logitRows } of plan.slices) {
      assert.equal(start, sequence.computed);
      assert.ok(count >= 1 && count <= this.options.prefillChunk && logitRows <= count);
      assert.ok(sequence.pages.length * PAGE_TOKENS >= start + count);
      assert.ok(!samples || logitRows >= 1);
      if (sequence.promptLogprobs) {
        const seen = this.#rowsSeen.get(sequence) ?? 0;
        const end = Math.min(start + count, sequence.promptLength);
        this.#rowsSeen.set(sequence, Math.max(seen, end));
        assert.ok(start <= seen || seen === sequence.promptLength, "no position of the prompt is left out");
        assert.equal(logitRows, Math.max(end - Math.max(start, seen), samples ? 1 : 0));
      }
    }
    const preempted = before.filter(({ sequence }) => sequence.state === "waiting");
    for (const { sequence, remaining } of preempted) {
      assert.ok(!members.has(sequence), "what was planned keeps its pages");
      assert.ok(remaining > 0, "what has all its tokens is not computed anew");
      assert.ok(
        this.#running().some((other) => other.arrival! < sequence.arrival!),
        "nobody yields to a newer one",
      );
    }
    if (preempted.length > 0) assert.ok(this.#running().length < before.length, "nobody is admitted in its stead");
    for (const { sequence, remaining } of before) {
      const starved = remaining === 1 && sequence.state === "running" && !members.has(sequence);
      if (!starved || sequence.pendingTokens > this.options.runAhead) continue;
      // Only want of a page excuses it, and only if nobody newer could have been made to yield one.
      assert.equal(sequence.computed, sequence.pages.length * PAGE_TOKENS);
      for (const other of this.#running()) {
        const mustYield = other.arrival! > sequence.arrival! && other.pendingTokens === 0 && other.remaining > 0;
        assert.ok(!mustYield || members.has(other));
      }
    }
    if (this.idle && this.#running().every(({ pendingTokens }) => pendingTokens === 0)) {
      assert.ok(plan.tokens > 0 || !this.scheduler.hasWork, "with nothing in flight there is always something to do");
    }
    this.#inFlight.push(this.#device.run(plan));
    this.scheduler.advance(plan);
    for (const { sequence } of plan.slices) {
      if (sequence.maxTokens === 0 && sequence.computed === sequence.promptLength) this.scheduler.finish(sequence);
    }
    this.check();
    return plan.tokens > 0;
  }

  /** The oldest step's ids reach the host. */
  deliver(): void {
    for (const [sequence, id] of this.#inFlight.shift() ?? []) {
      if (!this.scheduler.deliver(sequence, id)) continue;
      const generated = sequence.tokens.length - sequence.promptLength;
      const limit = Math.min(sequence.maxTokens, this.#stopAfter.get(sequence)!);
      if (generated === limit) this.scheduler.finish(sequence);
    }
    this.check();
  }

  cancel(which: number): void {
    const sequence = this.sequences[which % Math.max(this.sequences.length, 1)];
    if (sequence === undefined) return;
    const alive = sequence.state !== "finished";
    assert.equal(this.scheduler.cancel(sequence), alive);
    this.#stopAfter.set(sequence, -1);
    this.check();
  }

  check(): void {
    const running = this.#running();
    assert.equal(this.scheduler.running, running.length);
    assert.ok(running.length <= this.options.maxSequences);
    const residents = this.residency.residents();
    for (const [i, sequence] of running.entries()) {
      for (const other of running.slice(i + 1)) {
        const shared = sequence.pages.filter((page) => other.pages.includes(page));
        const end = shared.length * PAGE_TOKENS;
        assert.deepEqual(shared, other.pages.slice(0, shared.length), "only beginnings are shared");
        assert.deepEqual(sequence.tokens.slice(0, end), other.tokens.slice(0, end), "and only equal ones");
        assert.deepEqual(shared.length === 0 || sequence.routePlan, shared.length === 0 || other.routePlan);
      }
    }
    const owned = [
      ...new Set(running.flatMap(({ pages }) => pages)),
      ...residents.flatMap(({ firstPage, pages }) => Array.from({ length: pages }, (_, i) => firstPage + i)),
    ];
    assert.equal(new Set(owned).size, owned.length, "no page has two owners");
    assert.equal(owned.length + this.pool.free, this.pool.capacity, "no page is lost");
    assert.equal(new Set(running.map(({ slot }) => slot)).size, running.length, "no slot has two owners");
    for (const { key, pins } of residents) {
      assert.equal(pins, running.filter((each) => each.residencyKeys.some((need) => need.key === key)).length);
    }
    for (const sequence of this.sequences) {
      if (sequence.state !== "running") assert.deepEqual([sequence.pages, sequence.slot], [[], -1]);
      if (sequence.state === "waiting") assert.deepEqual([sequence.computed, sequence.pendingTokens], [0, 0]);
      if (sequence.state === "running") assert.ok(sequence.slot >= 0 && sequence.slot < this.options.maxSequences);
      assert.ok(sequence.skips <= this.options.maxSkips);
      for (const need of sequence.state === "running" ? sequence.residencyKeys : []) {
        assert.notEqual(this.residency.firstPage(need.key), undefined);
      }
    }
  }

  /** Works on until all is done; every request must have exactly the tokens it would have had alone. */
  drain(): void {
    for (let steps = 0; this.scheduler.hasWork; steps++) {
      assert.ok(steps < 5000, "the work does not end");
      this.step();
      if (this.#inFlight.length > this.options.runAhead) this.deliver();
    }
    while (!this.idle) this.deliver();
    assert.equal(this.pool.free + this.residency.idlePages, this.pool.capacity);
    for (const sequence of this.sequences) {
      assert.equal(sequence.state, "finished");
      assert.deepEqual(
        sequence.tokens,
        sequence.tokens.map((_, position) => nextToken(sequence.id, position)),
      );
      const limit = Math.min(sequence.maxTokens, this.#stopAfter.get(sequence)!);
      if (limit < 0) continue; // cancelled
      assert.equal(sequence.tokens.length, sequence.promptLength + limit);
      if (sequence.promptLogprobs) assert.equal(this.#rowsSeen.get(sequence), sequence.promptLength);
    }
  }

  #running(): Sequence[] {
    return this.sequences.filter(({ state }) => state === "running");
  }
}

test("property: any interleaving of requests, steps, deliveries and cancellations keeps the books and ends well", () => {
  const reached = { preempted: 0, evicted: 0, skipped: 0 };
  fc.assert(
    fc.property(scenario, fc.array(operation, { maxLength: 80, size: "max" }), (given, operations) => {
      const harness = new Harness(given);
      for (const each of operations) {
        if (each.kind === "add") harness.add(each);
        else if (each.kind === "step") harness.step();
        else if (each.kind === "deliver") harness.deliver();
        else harness.cancel(each.which);
      }
      harness.drain();
      reached.preempted += harness.scheduler.preemptions;
      reached.evicted += harness.scheduler.evictions;
      reached.skipped += harness.sequences.reduce((sum, { skips }) => sum + skips, 0);
    }),
    { numRuns: 150 },
  );
  for (const [what, times] of Object.entries(reached)) assert.ok(times > 0, `no run was ${what}: the test tests less`);
});

test("property: with pages to spare every decode is in every step", () => {
  fc.assert(
    fc.property(scenario, fc.array(operation, { maxLength: 60, size: "max" }), (given, operations) => {
      const harness = new Harness({ ...given, pages: 400, runAhead: 1 });
      for (const each of operations) {
        if (each.kind === "add") harness.add({ ...each, stopAfter: 20 });
        else {
          const decodes = harness.sequences.filter(({ state, remaining }) => state === "running" && remaining === 1);
          const before = decodes.map(({ computed }) => computed);
          harness.step();
          harness.deliver();
          decodes.forEach((sequence, i) => {
            assert.equal(sequence.computed, before[i] + 1);
          });
        }
      }
      harness.drain();
      assert.equal(harness.scheduler.preemptions, 0);
    }),
    { numRuns: 100 },
  );
});
