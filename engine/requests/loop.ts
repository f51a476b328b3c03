// The engine's heartbeat: schedule, submit, advance, publish, while there is work.

import { MoloraError } from "../../proto/errors.ts";
import type { Constraint } from "../sampling/constraint.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import type { Sequence } from "../scheduler/sequence.ts";
import type { StepPlan } from "../scheduler/step.ts";
import type { FinishedStep, InFlight } from "../step/in_flight.ts";
import type { RowResult } from "../step/results.ts";
import type { Runner, SubmittedStep } from "../step/runner.ts";
import type { LoopObserver } from "./counters.ts";
import { Held } from "./held.ts";
import type { Ticket } from "./ticket.ts";

export interface LoopParts {
  scheduler: Scheduler;
  runner: Pick<Runner, "submit">;
  inFlight: InFlight;
  observers: readonly LoopObserver[];
  /** Brings another device to where the lost one was. Absent: its loss is the end. @throws MoloraError where none can be had */
  revive?(error: MoloraError): Promise<void>;
}

export class Loop {
  readonly #scheduler: Scheduler;
  readonly #runner: LoopParts["runner"];
  readonly #inFlight: InFlight;
  readonly #observers: readonly LoopObserver[];
  readonly #revive: LoopParts["revive"];
  readonly #tickets = new Map<Sequence, Ticket>();
  readonly #held = new Held();
  #running: Promise<void> | undefined;
  #closed: MoloraError | undefined;
  #end: (why: MoloraError) => void = () => {};
  /** Resolves, with the reason, once no more requests are taken. */
  readonly ended = new Promise<MoloraError>((resolve) => {
    this.#end = resolve;
  });

  constructor({ scheduler, runner, inFlight, observers, revive }: LoopParts) {
    this.#revive = revive;
    this.#scheduler = scheduler;
    this.#runner = runner;
    this.#inFlight = inFlight;
    this.#observers = observers;
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
    this.#guarded(ticket, () => ticket.end("cancelled"));
  }

  /** Fails whatever is under way; resolves when the device is idle. */
  async close(error: MoloraError): Promise<void> {
    this.#stop(error);
    await this.#running;
  }

  /** Why no more requests are taken, if so. */
  get closed(): MoloraError | undefined {
    return this.#closed;
  }

  async #run(): Promise<void> {
    try {
      // Requests that arrive in the same turn start in the same step.
      await Promise.resolve();
      while (this.#scheduler.hasWork || !this.#inFlight.empty) await this.#stepOrRevive();
    } catch (thrown) {
      this.#stop(MoloraError.from(thrown));
    } finally {
      this.#running = undefined;
    }
  }

  /** Where the device was lost, all that ran waits for another one, and is computed again there. */
  async #stepOrRevive(): Promise<void> {
    try {
      await this.#step();
    } catch (thrown) {
      const error = MoloraError.from(thrown);
      if (error.code !== "gpu_lost" || this.#revive === undefined || this.#closed !== undefined) throw error;
      this.#inFlight.drop();
      await this.#revive(error);
      this.#scheduler.evacuate();
      for (const [sequence, ticket] of this.#tickets) if (sequence.scored === 0) ticket.unscored();
    }
  }

  /** One step. Results of an earlier step are published while this one runs. */
  async #step(): Promise<void> {
    await this.#held.soon(); // what may follow in some of them is about to be known
    const plan = this.#scheduler.schedule(); // which tokens of which sequences
    this.#inFlight.add(await this.#submit(plan)); // queued on the device; an empty plan adds nothing
    this.#scheduler.advance(plan); // these positions count as computed
    if (this.#inFlight.empty && this.#held.size > 0) return this.#held.next(); // all that could run waits for its mask
    await this.#publish(await this.#inFlight.next()); // tokens of the oldest step, if it is due, go to their tickets
  }

  /** A step that cannot be prepared (a kernel's text cannot be read) ends its requests; nothing of it ran, and others go on. */
  async #submit(plan: StepPlan): Promise<SubmittedStep | undefined> {
    try {
      return await this.#runner.submit(plan);
    } catch (thrown) {
      const error = MoloraError.from(thrown);
      if (error.code === "gpu_lost") throw error;
      this.#scheduler.abandon(plan);
      for (const { sequence } of plan.slices) {
        this.#tickets.get(sequence)?.fail(error);
        this.#tickets.delete(sequence);
      }
      return { plan: { ...plan, slices: [] }, launches: 0, encodeMs: 0, results: Promise.resolve([]) };
    }
  }

  async #publish(step: FinishedStep | undefined): Promise<void> {
    if (step === undefined) return;
    for (const observer of this.#observers) observer.stepEnded?.(step);
    for (const row of step.rows) {
      const ticket = this.#tickets.get(row.row.slice.sequence);
      if (ticket === undefined) continue; // cancelled
      const goesOn = this.#guarded(ticket, () => this.#publishRow(ticket, row));
      if (goesOn && ticket.constraint !== undefined) {
        this.#held.add(ticket.sequence, this.#constrain(ticket, ticket.constraint, row.id));
      }
    }
    for (const { sequence } of step.plan.slices) {
      const ticket = this.#tickets.get(sequence);
      if (ticket === undefined || sequence.maxTokens > 0 || sequence.remaining > 0) continue;
      this.#guarded(ticket, () => ticket.end("length"));
      this.#finish(ticket);
    }
  }

  async #constrain(ticket: Ticket, constraint: Constraint, id: number): Promise<void> {
    try {
      await constraint.accept(id);
    } catch (thrown) {
      this.#fail(ticket, thrown);
    }
  }

  /** Whether the request got a token and goes on. */
  #publishRow(ticket: Ticket, result: RowResult): boolean {
    const { sequence } = ticket;
    if (result.failure !== undefined) throw result.failure;
    if (result.row.given !== undefined) {
      ticket.scored(result.logprob);
      return false;
    }
    if (sequence.maxTokens === 0 || !this.#scheduler.deliver(sequence, result.id)) return false;
    for (const observer of this.#observers) observer.tokenSampled?.(ticket, result);
    if (!ticket.sampled(result)) return true;
    this.#finish(ticket);
    return false;
  }

  /** What is thrown while one request's result is read ends that request, and the loop goes on. */
  #guarded<T>(ticket: Ticket, publish: () => T): T | undefined {
    try {
      return publish();
    } catch (thrown) {
      this.#fail(ticket, thrown);
      return undefined;
    }
  }

  #fail(ticket: Ticket, thrown: unknown): void {
    const error = MoloraError.from(thrown);
    this.#finish(ticket, error.code === "numeric_overflow");
    ticket.fail(error);
  }

  #finish({ sequence }: Ticket, spoiled = false): void {
    if (this.#tickets.delete(sequence)) this.#scheduler.finish(sequence, spoiled);
  }

  #stop(error: MoloraError): void {
    this.#closed = error;
    this.#end(error);
    for (const [sequence, ticket] of this.#tickets) {
      this.#scheduler.cancel(sequence);
      ticket.fail(error);
    }
    this.#tickets.clear();
  }
}
