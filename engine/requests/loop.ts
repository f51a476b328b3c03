// The engine's heartbeat: schedule, run, advance, publish, while there is work.
// It knows nothing of how a request came in; tickets take what is published.

import { MoloraError } from "../../proto/errors.ts";
import type { Constraint } from "../sampling/constraint.ts";
import type { Job } from "../scheduler/job.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import type { Sequence } from "../scheduler/sequence.ts";
import type { StepPlan } from "../scheduler/step.ts";
import type { RowResult } from "../step/results.ts";
import type { Runner, SubmittedStep } from "../step/runner.ts";
import { Held } from "./held.ts";
import type { Ticket } from "./ticket.ts";

export interface LoopCounters {
  steps: number;
  promptTokens: number;
  generatedTokens: number;
  /** Of the last step: launches encoded, milliseconds the host spent encoding. */
  launches: number;
  encodeMs: number;
}

interface Step {
  plan: StepPlan<Sequence<Job>>;
  submitted: SubmittedStep;
}

export class Loop {
  readonly #scheduler: Scheduler<Job>;
  readonly #runner: Runner;
  /** Steps submitted ahead of the one whose results are awaited. */
  readonly #ahead: number;
  readonly #onRow: (ticket: Ticket, result: RowResult) => void;
  readonly #tickets = new Map<Sequence<Job>, Ticket>();
  readonly #held = new Held();
  readonly counters: LoopCounters = { steps: 0, promptTokens: 0, generatedTokens: 0, launches: 0, encodeMs: 0 };
  #running: Promise<void> | undefined;
  #closed: MoloraError | undefined;

  constructor(
    scheduler: Scheduler<Job>,
    runner: Runner,
    ahead: number,
    onRow: (ticket: Ticket, row: RowResult) => void,
  ) {
    this.#scheduler = scheduler;
    this.#runner = runner;
    this.#ahead = ahead;
    this.#onRow = onRow;
  }

  /** A ticket whose sequence is in line. */
  add(ticket: Ticket): void {
    this.#tickets.set(ticket.sequence, ticket);
    this.#running ??= this.#run();
    this.#held.wake();
  }

  /** Ends a request now; what it held is free for the next step. */
  cancel(ticket: Ticket): void {
    if (!this.#tickets.delete(ticket.sequence)) return;
    this.#scheduler.cancel(ticket.sequence);
    ticket.end("cancelled");
  }

  /** Fails whatever is under way; resolves when the device is idle. */
  async close(error: MoloraError): Promise<void> {
    this.#closed = error;
    this.#failAll(error);
    await this.#running;
  }

  async #run(): Promise<void> {
    const steps: Step[] = [];
    try {
      // Requests that arrive in the same turn start in the same step.
      await Promise.resolve();
      while (this.#scheduler.hasWork || steps.length > 0) {
        // What may follow in these must be known before they are planned again.
        await this.#held.soon();
        const plan = this.#scheduler.schedule();
        if (plan.tokens > 0) steps.push({ plan, submitted: await this.#submit(plan) });
        const settled = steps.length > (plan.tokens > 0 ? this.#ahead : 0) ? steps.shift() : undefined;
        if (settled !== undefined) await this.#publish(settled.plan, await settled.submitted.results);
        else if (plan.tokens === 0 && this.#held.size > 0) await this.#held.next();
        else if (plan.tokens === 0) throw new MoloraError("internal", "requests wait and none can be admitted");
      }
    } catch (thrown) {
      const error = MoloraError.from(thrown);
      this.#closed = error;
      this.#failAll(error);
    } finally {
      this.#running = undefined;
    }
  }

  async #submit(plan: StepPlan<Sequence<Job>>): Promise<SubmittedStep> {
    const submitted = await this.#runner.submit(plan);
    this.#scheduler.advance(plan);
    const { counters } = this;
    counters.steps++;
    counters.launches = submitted.launches;
    counters.encodeMs = submitted.encodeMs;
    for (const { sequence, start, count } of plan.slices) {
      counters.promptTokens += Math.max(0, Math.min(start + count, sequence.promptLength) - start);
      this.#tickets.get(sequence)?.started();
    }
    return submitted;
  }

  async #publish(plan: StepPlan<Sequence<Job>>, results: readonly RowResult[]): Promise<void> {
    for (const result of results) {
      const ticket = this.#publishRow(result);
      if (ticket?.constraint === undefined) continue;
      this.#held.add(ticket.sequence, this.#constrain(ticket, ticket.constraint, result.id));
    }
    for (const { sequence } of plan.slices) {
      if (sequence.maxTokens === 0 && sequence.remaining === 0)
        this.#finish(sequence, (ticket) => ticket.end("length"));
    }
  }

  async #constrain(ticket: Ticket, constraint: Constraint, id: number): Promise<void> {
    try {
      await constraint.accept(id);
    } catch (thrown) {
      this.#finish(ticket.sequence, () => ticket.fail(MoloraError.from(thrown)));
    }
  }

  /** The ticket that goes on after this token, if one does. */
  #publishRow(result: RowResult): Ticket | undefined {
    const { sequence } = result.row.slice;
    const ticket = this.#tickets.get(sequence);
    if (ticket === undefined) return; // cancelled
    if (result.row.given !== undefined) {
      ticket.scored(result.logprob);
      return;
    }
    if (sequence.maxTokens === 0 || !this.#scheduler.deliver(sequence, result.id)) return;
    this.counters.generatedTokens++;
    this.#onRow(ticket, result);
    if (!ticket.picked(result)) return ticket;
    this.#finish(sequence);
  }

  #finish(sequence: Sequence<Job>, end?: (ticket: Ticket) => void): void {
    const ticket = this.#tickets.get(sequence);
    if (ticket === undefined) return;
    this.#tickets.delete(sequence);
    this.#scheduler.finish(sequence);
    end?.(ticket);
  }

  #failAll(error: MoloraError): void {
    for (const [sequence, ticket] of this.#tickets) {
      this.#scheduler.cancel(sequence);
      ticket.fail(error);
    }
    this.#tickets.clear();
  }

  /** Why no more requests are taken, if so. */
  get closed(): MoloraError | undefined {
    return this.#closed;
  }
}
