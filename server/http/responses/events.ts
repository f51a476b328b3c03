// A generation as the events of a streamed response, numbered, each item opened before it is filled and closed after.

import type { Tokenizer } from "../../../engine/text/tokenizer.ts";
import type { DoneEvent, TokenEvent, ToolCall } from "../../../proto/api.ts";
import type { MoloraError } from "../../../proto/errors.ts";
import { chatLogprobs } from "../logprobs.ts";
import {
  callItem,
  endedResponse,
  messageItem,
  newId,
  type OutputItem,
  outputText,
  type ResponseObject,
  type TextLogprobs,
} from "./reply.ts";

export interface ResponseEvent {
  type: string;
  sequence_number: number;
  [field: string]: unknown;
}

export class ResponseEvents {
  readonly #tokenizer: Tokenizer;
  readonly #begun: ResponseObject;
  readonly #output: OutputItem[] = [];
  readonly #message = newId("msg");
  #sequence = 0;
  #open = false;
  #text = "";
  /** White space before anything else: the beginning of a text, or nothing but the space before a call. */
  #space = "";
  #logprobs: TextLogprobs = [];
  /** Of tokens that have shown no text yet. */
  #untold: TextLogprobs = [];

  constructor(tokenizer: Tokenizer, begun: ResponseObject) {
    this.#tokenizer = tokenizer;
    this.#begun = begun;
  }

  begin(): ResponseEvent[] {
    const response = this.#begun;
    return [this.#event("response.created", { response }), this.#event("response.in_progress", { response })];
  }

  token(token: TokenEvent): ResponseEvent[] {
    this.#untold.push(...(chatLogprobs(this.#tokenizer, [token])?.content ?? []));
    return this.#say(token.text);
  }

  /** The rest of the text, the calls, and the response at its end. */
  end(done: DoneEvent): { events: ResponseEvent[]; response: ResponseObject } {
    const calls = done.toolCalls ?? [];
    const status = done.finishReason === "length" ? "incomplete" : "completed";
    const events = this.#say(done.text);
    // A response has some item: an empty text is one where nothing else is.
    if (!this.#open && calls.length === 0) events.push(...this.#openMessage());
    if (this.#open) events.push(...this.#closeMessage(status));
    for (const call of calls) events.push(...this.#call(call));
    const response = endedResponse(this.#begun, this.#output, done);
    events.push(this.#event(`response.${status}`, { response }));
    return { events, response };
  }

  fail(error: MoloraError): ResponseEvent {
    const { code, message } = error;
    const response = { ...this.#begun, status: "failed", output: this.#output, error: { code, message } };
    return this.#event("response.failed", { response });
  }

  #say(text: string): ResponseEvent[] {
    if (!this.#open) this.#space += text;
    const delta = this.#open ? text : this.#space;
    if (delta === "" || (!this.#open && delta.trim() === "")) return [];
    const events = this.#open ? [] : this.#openMessage();
    events.push(this.#event("response.output_text.delta", { ...this.#place(), delta, logprobs: this.#untold }));
    this.#text += delta;
    this.#logprobs.push(...this.#untold);
    this.#untold = [];
    return events;
  }

  #openMessage(): ResponseEvent[] {
    this.#open = true;
    const item = messageItem(this.#message, "in_progress", []);
    return [
      this.#event("response.output_item.added", { output_index: 0, item }),
      this.#event("response.content_part.added", { ...this.#place(), part: outputText("", []) }),
    ];
  }

  #closeMessage(status: "completed" | "incomplete"): ResponseEvent[] {
    const [text, logprobs] = [this.#text, [...this.#logprobs, ...this.#untold]];
    const part = outputText(text, logprobs);
    const item = messageItem(this.#message, status, [part]);
    this.#output.push(item);
    return [
      this.#event("response.output_text.done", { ...this.#place(), text, logprobs }),
      this.#event("response.content_part.done", { ...this.#place(), part }),
      this.#event("response.output_item.done", { output_index: 0, item }),
    ];
  }

  #call(call: ToolCall): ResponseEvent[] {
    const id = newId("fc");
    const output_index = this.#output.length;
    const item = callItem(id, "completed", call);
    this.#output.push(item);
    const place = { item_id: id, output_index };
    const added = callItem(id, "in_progress", { ...call, arguments: "" });
    const whole = { ...place, name: call.name, arguments: call.arguments };
    return [
      this.#event("response.output_item.added", { output_index, item: added }),
      this.#event("response.function_call_arguments.delta", { ...place, delta: call.arguments }),
      this.#event("response.function_call_arguments.done", whole),
      this.#event("response.output_item.done", { output_index, item }),
    ];
  }

  #place() {
    return { item_id: this.#message, output_index: 0, content_index: 0 };
  }

  #event(type: string, fields: object): ResponseEvent {
    return { type, sequence_number: this.#sequence++, ...fields };
  }
}
