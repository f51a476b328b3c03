// Turns the events that the engine streams into messages of the wire (on the server) and back (in the client).

import type { DoneEvent, GenerationEvent, TokenEvent } from "./api.ts";
import { ERROR_CODES, type ErrorCode, MoloraError } from "./errors.ts";
import type { DoneMessage, ErrorReply, Reply, TokenMessage } from "./messages.ts";
import { packChoices, packTrace, unpackChoices, unpackTrace } from "./trace.ts";

/** An event as a message. `experts`: the names that `accepted` announced, which traces index. */
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
    ...(event.baseExperts === undefined ? {} : { baseExperts: [packChoices(event.baseExperts)] }),
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

/** A message as one event a token; where it holds several tokens, the last event carries the text. */
export function tokenEvents(message: TokenMessage, experts: readonly string[]): TokenEvent[] {
  return message.ids.map((id, i) => {
    const logprob = message.logprobs?.[i];
    const trace = message.traces?.[i];
    const baseExperts = message.baseExperts?.[i];
    return {
      type: "token",
      index: message.index + i,
      id,
      text: i === message.ids.length - 1 ? message.text : "",
      ...(logprob === undefined ? {} : { logprob }),
      ...(trace === undefined ? {} : { trace: unpackTrace(trace, experts) }),
      ...(baseExperts === undefined ? {} : { baseExperts: unpackChoices(baseExperts) }),
    };
  });
}

export function doneEvent({ id: _, stopString, stopId, ...event }: DoneMessage): DoneEvent {
  const stopped = stopString ?? stopId;
  return stopped === undefined ? event : { ...event, stopped };
}

/** An error as a message. `details` become plain JSON: values that JSON lacks are left out, big integers become text. */
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

/** An error may quote text with half a surrogate pair, which no encoding could carry. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}

/** The error that a reply reports. A code of a newer server becomes `internal` and stays readable in `details`. */
export function replyError({ code, message, remedy, details }: ErrorReply): MoloraError {
  const known = Object.hasOwn(ERROR_CODES, code);
  const facts = known ? details : { ...details, code };
  return new MoloraError(known ? (code as ErrorCode) : "internal", message, {
    ...(remedy === undefined ? {} : { remedy }),
    ...(facts === undefined ? {} : { details: facts }),
  });
}

/** The server says something that answers nothing that was asked. */
export function unexpected({ type }: Reply): MoloraError {
  return new MoloraError("bad_frame", `the server answered with an unexpected "${type}"`);
}
