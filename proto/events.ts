// Between what the engine streams and what the wire carries: events to messages on the server, back in the client.
// It knows nothing of sockets and encodings.

import type { DoneEvent, GenerationEvent, TokenEvent } from "./api.ts";
import { ERROR_CODES, type ErrorCode, MoloraError } from "./errors.ts";
import type { DoneMessage, ErrorReply, TokenMessage } from "./messages.ts";
import { packTrace, unpackTrace } from "./trace.ts";

/** `experts`: the names announced by `accepted`, which traces index. */
export function eventMessage(
  id: string,
  event: GenerationEvent,
  experts: readonly string[],
): TokenMessage | DoneMessage {
  return event.type === "token" ? tokenMessage(id, event, experts) : doneMessage(id, event);
}

function tokenMessage(id: string, event: TokenEvent, experts: readonly string[]): TokenMessage {
  return {
    type: "token",
    id,
    index: event.index,
    ids: [event.id],
    text: event.text,
    ...(event.logprob === undefined ? {} : { logprobs: [event.logprob] }),
    ...(event.trace === undefined ? {} : { traces: [packTrace(event.trace, experts)] }),
  };
}

function doneMessage(id: string, { stopped, ...event }: DoneEvent): DoneMessage {
  return {
    ...event,
    id,
    ...(typeof stopped === "string" ? { stopString: stopped } : {}),
    ...(typeof stopped === "number" ? { stopId: stopped } : {}),
  };
}

/** One event a token; of a message of several, the last carries the text. */
export function tokenEvents(message: TokenMessage, experts: readonly string[]): TokenEvent[] {
  return message.ids.map((id, i) => {
    const logprob = message.logprobs?.[i];
    const trace = message.traces?.[i];
    return {
      type: "token",
      index: message.index + i,
      id,
      text: i === message.ids.length - 1 ? message.text : "",
      ...(logprob === undefined ? {} : { logprob }),
      ...(trace === undefined ? {} : { trace: unpackTrace(trace, experts) }),
    };
  });
}

export function doneEvent({ id: _, stopString, stopId, ...event }: DoneMessage): DoneEvent {
  const stopped = stopString ?? stopId;
  return stopped === undefined ? event : { ...event, stopped };
}

/** An error as a message; `details` become plain JSON: what JSON has no word for is left out, big integers are text. */
export function errorReply(thrown: unknown, id?: string): ErrorReply {
  const { code, message, remedy, details } = MoloraError.from(thrown);
  return {
    type: "error",
    ...(id === undefined ? {} : { id }),
    code,
    message: wellFormed(message),
    ...(remedy === undefined ? {} : { remedy: wellFormed(remedy) }),
    ...(details === undefined ? {} : { details: JSON.parse(JSON.stringify(details, plain)) }),
  };
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === "string") return wellFormed(value);
  return typeof value === "bigint" ? String(value) : value;
}

/** An error may quote broken text; it must still be sayable. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}

/** The error a reply reports; a code this version does not know becomes `internal` and stays readable in `details`. */
export function replyError({ code, message, remedy, details }: ErrorReply): MoloraError {
  const known = Object.hasOwn(ERROR_CODES, code);
  const facts = known ? details : { ...details, code };
  return new MoloraError(known ? (code as ErrorCode) : "internal", message, {
    ...(remedy === undefined ? {} : { remedy }),
    ...(facts === undefined ? {} : { details: facts }),
  });
}
