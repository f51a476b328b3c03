// Continuous batching with chunked prefill: decides which tokens of which sequences the next step computes.
// It knows nothing of GPUs, text or sampling; it moves indices: tokens, pages, rows, resident keys.

import { MoloraError } from "../../proto/errors.ts";
import type { PagePool } from "../memory/page_pool.ts";
import type { Residency, ResidentNeed } from "../memory/residency.ts";
import { Draft } from "./draft.ts";
import { Holdings } from "./holdings.ts";
import { checkOptions, type SchedulerOptions } from "./options.ts";
import type { Sequence } from "./sequence.ts";
import type { StepPlan } from "./step.ts";
import { insertByArrival, remove, WaitingLine } from "./waiting_line.ts";

/**
 * The engine's loop:
 *
 *     const plan = scheduler.schedule();
 *     const sampled = runner.run(plan);          // reads rows and pages before it awaits anything
 *     scheduler.advance(plan);
 *     for (const [sequence, id] of await …)      // of this step or, running ahead, of the one before
 *       if (scheduler.deliver(sequence, id)) …   // publish; scheduler.finish(sequence) at its end
 *
 * What a sequence gives up (pages, row, pins) may be reused by the very next step, although steps submitted before may
 * still have to read it. That is safe because uploads and steps execute in the order of their submission on one queue:
 * the new owner writes after the old one has read.
 *
 * Order of service: decodes, then prefills of running sequences, then admissions, each by arrival (`WaitingLine` says
 * who may pass whom). When pages run out, beginnings kept for others give way first, then idle adapters, then the newest
 * running sequence. Only an older sequence takes from a newer one, so the oldest always gets on, and everyone is the
 * oldest some day.
 */
export class Scheduler<R = unknown> {
  #options: Required<SchedulerOptions>;
  #residency: Residency;
  #holdings: Holdings<R>;
  #waiting: WaitingLine<R>;
  /** By arrival. */
  #running: Sequence<R>[] = [];
  #arrivals = 0;
  #preemptions = 0;
  /** The plan that waits for `advance`. */
  #planned: StepPlan<Sequence<R>> | undefined;

  constructor(options: SchedulerOptions, pool: PagePool, residency: Residency) {
    this.#options = checkOptions(options);
    this.#residency = residency;
    this.#holdings = new Holdings(pool, residency, this.#options);
    this.#waiting = new WaitingLine(this.#options.maxSkips);
  }

  get running(): number {
    return this.#running.length;
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

  /** Puts a new sequence in line. Throws `prompt_empty`, `prompt_too_long`, `out_of_pages` or `queue_full`. */
  add(sequence: Sequence<R>): void {
    if (sequence.arrival !== undefined) throw new MoloraError("internal", `${sequence.id} was added twice.`);
    if (sequence.promptLength === 0) {
      throw new MoloraError("prompt_empty", "The prompt has no tokens.", { remedy: "Give at least one token." });
    }
    this.#holdings.demandFits(sequence);
    if (this.waiting >= this.#options.maxQueue) {
      throw new MoloraError("queue_full", `${this.waiting} requests wait already.`, { remedy: "Try again later." });
    }
    sequence.arrival = this.#arrivals++;
    this.#waiting.insert(sequence);
  }

  /** Chooses the next step. What its sequences need is taken at once, so a plan must be run and advanced. */
  schedule(): StepPlan<Sequence<R>> {
    if (this.#planned !== undefined) throw new MoloraError("internal", "The last plan was not advanced.");
    const draft = new Draft<R>(this.#options);
    const { runAhead } = this.#options;
    const ready = this.#running.filter(
      ({ pendingTokens, lockstep, held }) => !held && pendingTokens <= (lockstep ? 0 : runAhead),
    );
    for (const sequence of ready.filter(({ remaining }) => remaining === 1)) this.#continue(sequence, draft);
    for (const sequence of ready.filter(({ remaining }) => remaining > 1)) this.#continue(sequence, draft);
    if (!draft.preempted) this.#waiting.admit((sequence) => this.#admit(sequence, draft));
    if (draft.plan.tokens > 0) this.#planned = draft.plan;
    return draft.plan;
  }

  /** The plan was submitted: its positions count as computed, its samples as tokens the host does not know yet. */
  advance(plan: StepPlan<Sequence<R>>): void {
    if (plan.tokens > 0 && plan !== this.#planned) throw new MoloraError("internal", "This plan is not the last one.");
    this.#planned = undefined;
    for (const { sequence, count, samples } of plan.slices) {
      if (sequence.state !== "running") continue; // cancelled in the meantime
      sequence.computed += count;
      this.#holdings.publish(sequence);
      sequence.scored = Math.max(sequence.scored, Math.min(sequence.computed, sequence.promptLength));
      if (samples) sequence.pendingTokens++;
    }
  }

  /** A sampled id reached the host. False, and nothing happens, when its sequence ended before. */
  deliver(sequence: Sequence<R>, id: number): boolean {
    if (sequence.state === "finished") return false;
    if (sequence.pendingTokens === 0) throw new MoloraError("internal", `${sequence.id} expects no token.`);
    sequence.pendingTokens--;
    sequence.tokens.push(id);
    return true;
  }

  /** Ends a sequence in whatever state it is and frees all it holds. Ids that arrive later are ignored. */
  finish(sequence: Sequence<R>): void {
    if (sequence.state === "waiting") this.#waiting.remove(sequence);
    if (sequence.state === "running") this.#stop(sequence);
    sequence.state = "finished";
  }

  /** As `finish`, on somebody's wish. False when it had ended before. */
  cancel(sequence: Sequence<R>): boolean {
    const alive = sequence.state !== "finished";
    this.finish(sequence);
    return alive;
  }

  /** Plans as much of a running sequence as budget and pages allow. */
  #continue(sequence: Sequence<R>, draft: Draft<R>): void {
    if (sequence.state !== "running") return; // preempted for an older one a moment ago
    const room = draft.room(sequence);
    if (room === 0) return;
    const end = sequence.computed + room;
    let covered = this.#holdings.cover(sequence, end);
    while (covered < end && this.#preemptFor(sequence, draft)) covered = this.#holdings.cover(sequence, end);
    if (covered > sequence.computed) draft.add(sequence.slice(covered - sequence.computed));
  }

  #admit(sequence: Sequence<R>, draft: Draft<R>): boolean {
    if (sequence.held || draft.room(sequence) === 0) return false;
    const reserved = this.#running.reduce((pages, other) => pages + this.#holdings.pagesAhead(other), 0);
    const placed = this.#holdings.admit(sequence, reserved);
    if (placed === undefined) return false;
    sequence.state = "running";
    insertByArrival(this.#running, sequence);
    draft.upload(placed);
    // With a beginning found, its end may be near and want a row of logits that this step has no more: then the next has.
    const room = draft.room(sequence);
    if (room === 0) return true;
    this.#holdings.cover(sequence, sequence.computed + room);
    draft.add(sequence.slice(room));
    return true;
  }

  /**
   * Takes everything from the newest running sequence that is newer than `sequence`, if there is one that can lose it:
   * not one that is in the step already, nor one with a token the host has not seen (that token exists only in its row),
   * nor one that has all its tokens and is about to end anyway. It waits for admission again and is then computed anew
   * from the tokens it has. If there is none, `sequence` keeps what it has and waits for others to end.
   */
  #preemptFor(sequence: Sequence<R>, draft: Draft<R>): boolean {
    const victim = this.#running.findLast((other) => {
      const newer = other.arrival! > sequence.arrival!;
      return newer && !draft.has(other) && other.pendingTokens === 0 && other.remaining > 0;
    });
    if (victim === undefined) return false;
    this.#stop(victim);
    victim.state = "waiting";
    victim.computed = 0;
    this.#waiting.insert(victim);
    this.#preemptions++;
    draft.preempted = true;
    return true;
  }

  #stop(sequence: Sequence<R>): void {
    remove(this.#running, sequence);
    this.#holdings.reclaim(sequence);
  }
}
