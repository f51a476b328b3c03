// Continuous batching with chunked prefill: decides which tokens of which sequences the next step computes.
// It holds no device object; it moves indices: tokens, pages, slots, resident keys.

import { MoloraError } from "../../proto/errors.ts";
import type { PagePool } from "../memory/page_pool.ts";
import type { Placement, Residency, ResidentNeed } from "../memory/residency.ts";
import { Holdings } from "./holdings.ts";
import { checkOptions, type SchedulerOptions } from "./options.ts";
import { promptEmpty } from "./refusals.ts";
import type { Sequence } from "./sequence.ts";
import type { StepPlan } from "./step.ts";
import { StepBuilder } from "./step_builder.ts";
import { insertByArrival, remove, WaitingLine } from "./waiting_line.ts";

/**
 * `engine/requests/loop.ts` calls it: `schedule` and `advance` for every step, `deliver` for every token that came back,
 * `finish` at a sequence's end.
 *
 * What a sequence gives up (pages, slot, pins) may be reused by the very next step, although steps submitted before may
 * still have to read it. That is safe because uploads and steps execute in the order of their submission on one queue:
 * the new owner writes after the old one has read.
 *
 * Order of service: decodes, then prefills of running sequences, each by arrival, then admissions (`WaitingLine` says
 * who may pass whom). When pages run out, beginnings kept for others give way first, then idle adapters, then the newest
 * running sequence. Only an older sequence takes from a newer one, so the oldest always gets on, and everyone is the
 * oldest some day.
 */
export class Scheduler {
  #options: Required<SchedulerOptions>;
  #residency: Residency;
  #holdings: Holdings;
  #waiting: WaitingLine;
  /** By arrival. */
  #running: Sequence[] = [];
  #arrivals = 0;
  #preemptions = 0;
  /** The plan that waits for `advance`. */
  #planned: StepPlan | undefined;
  /** Uploads of abandoned plans: their pages hold something else still. */
  #owed: Placement[] = [];

  constructor(options: SchedulerOptions, pool: PagePool, residency: Residency) {
    this.#options = checkOptions(options);
    this.#residency = residency;
    this.#holdings = new Holdings(pool, residency, this.#options);
    this.#waiting = new WaitingLine(this.#options);
  }

  get running(): number {
    return this.#running.length;
  }

  /** Most that run at once. */
  get maxSequences(): number {
    return this.#options.maxSequences;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Something runs or waits. A plan may be empty nonetheless: then sampled ids must be delivered first. */
  get hasWork(): boolean {
    return this.running + this.waiting > 0;
  }

  get preemptions(): number {
    return this.#preemptions;
  }

  get evictions(): number {
    return this.#residency.evictions;
  }

  /** Most tokens, prompt and output together, of a sequence that needs these generations; 0 when they do not fit. */
  longest(needs: readonly ResidentNeed[]): number {
    const positions = this.#holdings.positionsBeside(needs);
    return positions === 0 ? 0 : positions + 1; // nothing is computed from the last token
  }

  /** Puts a new sequence in line. @throws MoloraError `prompt_empty`, `prompt_too_long`, `out_of_pages`, `queue_full`. */
  add(sequence: Sequence): void {
    if (sequence.arrival !== undefined) throw new MoloraError("internal", `${sequence.id} was added twice`);
    if (sequence.promptLength === 0) throw promptEmpty();
    this.#holdings.demandFits(sequence);
    this.checkRoom(0);
    sequence.arrival = this.#arrivals++;
    this.#waiting.insert(sequence);
  }

  /** `more`: requests that are about to be added. @throws MoloraError `queue_full` where these and those in line are too many. */
  checkRoom(more: number): void {
    const waiting = this.waiting + more;
    if (waiting < this.#options.maxQueue) return;
    throw new MoloraError("queue_full", `${waiting} requests wait already`, { remedy: "Try again later." });
  }

  /** Chooses the next step. What its sequences need is taken at once, so a plan must be run and advanced. */
  schedule(): StepPlan {
    if (this.#planned !== undefined) throw new MoloraError("internal", "the last plan was not advanced");
    const step = new StepBuilder(this.#options);
    const { runAhead } = this.#options;
    for (const sequence of this.#running.filter((one) => this.#outgrown(one) && one.pendingTokens === 0)) {
      this.#requeue(sequence);
    }
    const ready = this.#running.filter((sequence) => {
      const { pendingTokens, lockstep, held } = sequence;
      return !held && !this.#outgrown(sequence) && pendingTokens <= (lockstep ? 0 : runAhead);
    });
    for (const sequence of ready.filter(({ remaining }) => remaining === 1)) this.#continue(sequence, step);
    for (const sequence of ready.filter(({ remaining }) => remaining > 1)) this.#continue(sequence, step);
    if (!step.preempted) this.#waiting.admit((sequence) => this.#admit(sequence, step));
    if (step.plan.tokens === 0) return step.plan;
    this.#planned = step.plan;
    // What lost its pages in the meantime is uploaded by whoever acquires it anew.
    step.upload(this.#owed.filter(({ key, firstPage }) => this.#residency.firstPage(key) === firstPage));
    this.#owed = [];
    return step.plan;
  }

  /** The plan cannot be run, nor has any of it: its sequences end. It must be advanced like any other. */
  abandon(plan: StepPlan): void {
    this.#owed.push(...plan.uploads);
    for (const { sequence } of plan.slices) this.finish(sequence);
  }

  /** The plan was submitted: its positions count as computed, its samples as tokens the host does not know yet. */
  advance(plan: StepPlan): void {
    if (plan.tokens > 0 && plan !== this.#planned) throw new MoloraError("internal", "this plan is not the last one");
    this.#planned = undefined;
    for (const { sequence, count, samples } of plan.slices) {
      if (sequence.state !== "running") continue; // cancelled in the meantime
      sequence.computed += count;
      sequence.started ??= performance.now();
      this.#holdings.publish(sequence);
      sequence.scored = Math.max(sequence.scored, Math.min(sequence.computed, sequence.promptLength));
      if (samples) sequence.pendingTokens++;
    }
  }

  /** A sampled id reached the host. False, and nothing happens, when its sequence ended before. */
  deliver(sequence: Sequence, id: number): boolean {
    if (sequence.state === "finished") return false;
    if (sequence.pendingTokens === 0) throw new MoloraError("internal", `${sequence.id} expects no token`);
    sequence.pendingTokens--;
    sequence.tokens.push(id);
    return true;
  }

  /**
   * Ends a sequence in whatever state it is and frees all it holds. Ids that arrive later are ignored. `spoiled`: its KV is
   * not to be found by others.
   */
  finish(sequence: Sequence, spoiled = false): void {
    if (sequence.state === "waiting") this.#waiting.remove(sequence);
    if (sequence.state === "running") this.#stop(sequence, spoiled);
    sequence.state = "finished";
  }

  /** As `finish`, on somebody's wish. False when it had ended before. */
  cancel(sequence: Sequence): boolean {
    const alive = sequence.state !== "finished";
    this.finish(sequence);
    return alive;
  }

  /**
   * What the device held is gone, steps under way among it: all that runs waits again, in its turn, to be computed from the
   * tokens that the host knows. Nothing that was planned is to be advanced or delivered any more.
   */
  evacuate(): void {
    for (const sequence of [...this.#running]) {
      this.#stop(sequence, true);
      sequence.state = "waiting";
      sequence.computed = 0;
      sequence.pendingTokens = 0;
      if (sequence.tokens.length === sequence.promptLength) sequence.scored = 0;
      this.#waiting.insert(sequence);
    }
    this.#holdings.clear();
    this.#planned = undefined;
    this.#owed = [];
  }

  /** Plans as much of a running sequence as budget and pages allow. */
  #continue(sequence: Sequence, step: StepBuilder): void {
    if (sequence.state !== "running") return; // preempted for an older one a moment ago
    const room = step.room(sequence);
    if (room === 0) return;
    const end = sequence.computed + room;
    let covered = this.#holdings.cover(sequence, end);
    while (covered < end && this.#preemptFor(sequence, step)) covered = this.#holdings.cover(sequence, end);
    if (covered > sequence.computed) step.add(sequence.slice(covered - sequence.computed));
  }

  #admit(sequence: Sequence, step: StepBuilder): boolean {
    if (step.room(sequence) === 0) return false;
    const { within, at } = this.#options.shortTurns;
    sequence.firstTurn = sequence.length <= within ? at : 0;
    const reserved = this.#running.reduce((pages, other) => pages + this.#holdings.pagesAhead(other), 0);
    const placed = this.#holdings.admit(sequence, reserved);
    if (placed === undefined) return false;
    sequence.state = "running";
    sequence.cached ??= sequence.adopted;
    insertByArrival(this.#running, sequence);
    step.upload(placed);
    // With a beginning found, its end may be near and want a row of logits that this step has no more: then the next has.
    const room = step.room(sequence);
    if (room === 0) return true;
    this.#holdings.cover(sequence, sequence.computed + room);
    step.add(sequence.slice(room));
    return true;
  }

  /**
   * Takes everything from the newest running sequence that is newer than `sequence`, if there is one that can lose it:
   * not one that is in the step already, nor one with a token the host has not seen (that token exists only in its slot),
   * nor one that has all its tokens and is about to end anyway. It waits for admission again and is then computed anew
   * from the tokens it has. If there is none, `sequence` keeps what it has and waits for others to end.
   */
  #preemptFor(sequence: Sequence, step: StepBuilder): boolean {
    const victim = this.#running.findLast((other) => {
      const newer = other.arrival! > sequence.arrival!;
      return newer && !step.has(other) && other.pendingTokens === 0 && other.remaining > 0;
    });
    if (victim === undefined) return false;
    this.#requeue(victim);
    this.#preemptions++;
    step.preempted = true;
    return true;
  }

  /** It has more tokens than those that are turned as its have been: all of it is to be computed anew. */
  #outgrown({ firstTurn, length, remaining }: Sequence): boolean {
    return firstTurn > 0 && length > this.#options.shortTurns.within && remaining > 0;
  }

  /** Takes everything from a sequence whose tokens the host knows: in its turn it is computed anew from them. */
  #requeue(sequence: Sequence): void {
    this.#stop(sequence);
    sequence.state = "waiting";
    sequence.computed = 0;
    this.#waiting.insert(sequence);
  }

  #stop(sequence: Sequence, spoiled = false): void {
    remove(this.#running, sequence);
    this.#holdings.reclaim(sequence, spoiled);
  }
}
