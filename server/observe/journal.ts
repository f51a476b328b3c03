// The log: one line of JSON for every request that ends, for what administrators do, and for who was refused.
// What people write and what is answered is not in it, unless that was asked for.

import { type Logger, pino } from "pino";
import type { AgreementAlert, DoneEvent, GenerateRequest } from "../../proto/api.ts";
import type { MoloraError } from "../../proto/errors.ts";
import type { Caller } from "../caller.ts";
import { modelIds } from "../model_ids.ts";
import type { Act, Observation, Observer } from "./observer.ts";

export const LOG_LEVELS = ["off", "error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface JournalOptions {
  /** error: defects; warn: and refusals; info: and every generation; debug: and every HTTP request. Default off. */
  level?: LogLevel;
  /** Also what was asked and answered, as far as it is text. Default false. */
  prompts?: boolean;
  /** Default: standard error. */
  destination?: { write(line: string): void };
}

/** An HTTP request that was answered. */
export interface Answered {
  id: string;
  method: string;
  /** Without the query, which may hold anything. */
  path: string;
  status: number;
  ms: number;
}

export class Journal implements Observer {
  readonly #log: Logger;
  readonly #prompts: boolean;
  readonly #base: string;

  /** `base`: the name of the base as a model. */
  constructor(base: string, { level = "off", prompts = false, destination }: JournalOptions = {}) {
    this.#base = base;
    this.#prompts = prompts;
    this.#log = pino(
      { level: level === "off" ? "silent" : level, formatters: { level: (label) => ({ level: label }) } },
      destination ?? pino.destination({ fd: 2, sync: false }),
    );
  }

  begin(request: GenerateRequest, { id, identity, transport }: Caller, start: number): Observation {
    if (!this.#log.isLevelEnabled("warn")) return {};
    const who = { request: id, transport, ...(identity.key === undefined ? {} : { key: identity.key.id }) };
    const models = modelIds(this.#base, request);
    const line: Record<string, unknown> = { ...who, models: models.length === 0 ? [this.#base] : models };
    if (this.#prompts) line.asked = { prompt: request.prompt, messages: request.messages };
    let answer = "";
    return {
      ...(this.#prompts
        ? {
            token: ({ text }) => {
              answer += text;
            },
          }
        : {}),
      done: (done) => {
        Object.assign(line, facts(done));
        if (this.#prompts) line.answered = answer + done.text;
      },
      ended: (outcome, now, error) => {
        Object.assign(line, { outcome, ms: Math.round(now - start) });
        if (error === undefined) this.#log.info(line, "generation");
        else this.#failed(line, error);
      },
    };
  }

  acted({ what, name }: Act, { id, identity }: Caller, error?: MoloraError): void {
    const line = { request: id, key: identity.key?.id, act: what, name };
    if (error === undefined) this.#log.info(line, "administration");
    else this.#log.warn({ ...line, code: error.code, reason: error.message }, "administration failed");
  }

  /** Somebody who may not ask, or asked for what cannot be, before any generation. */
  refused(error: MoloraError, { id, path }: { id: string; path: string }): void {
    this.#failed({ request: id, path }, error);
  }

  answered(answered: Answered): void {
    this.#log.debug(answered, "http");
  }

  /** A file that is followed was read again, or could not be. */
  reloaded(what: "keys" | "certificate", error?: MoloraError): void {
    if (error === undefined) this.#log.info({ what }, "reloaded");
    else this.#log.error({ what, code: error.code, reason: error.message }, "not reloaded, the old one stays");
  }

  /** Adapters that act at once agree less than they did. */
  alert({ kind, name, before, now, layer, generations }: AgreementAlert): void {
    const rounded = (value: number) => Math.round(value * 1e4) / 1e4;
    this.#log.warn(
      {
        [kind]: name,
        before: rounded(before),
        now: rounded(now),
        layer: layer.index,
        layerBefore: rounded(layer.before),
        layerNow: rounded(layer.now),
        new: generations.map((one) => `${one.kind} ${one.name} ${one.hash.slice(0, 12)}`),
      },
      "adapters agree less in sign behind a new generation",
    );
  }

  /** Of the server itself. */
  state(state: string, more: object = {}): void {
    this.#log.info(more, state);
  }

  /** A defect goes with its stack; what a client did wrong is for debugging; refusals are what an operator looks for. */
  #failed(line: object, error: MoloraError): void {
    const { code, message: reason, status, cause } = error;
    const all = { ...line, code, reason };
    if (status >= 500) this.#log.error({ ...all, ...(cause instanceof Error ? { stack: cause.stack } : {}) }, "failed");
    else if ([401, 403, 429].includes(status)) this.#log.warn(all, "refused");
    else this.#log.info(all, "refused");
  }
}

function facts({ usage, timings, finishReason, generations }: DoneEvent) {
  const seconds = (value: number) => Math.round(value * 1e6) / 1e6;
  return {
    finish: finishReason,
    promptTokens: usage.promptTokens,
    cachedTokens: usage.cachedTokens ?? 0,
    completionTokens: usage.completionTokens,
    queued: seconds(timings.queued),
    firstToken: seconds(timings.firstToken),
    total: seconds(timings.total),
    generations: generations.map(({ kind, name, hash }) => `${kind} ${name} ${hash.slice(0, 12)}`),
  };
}
