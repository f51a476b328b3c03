// A generation as the events of a streamed response, numbered, each item opened before it is filled and closed after.

import { ReasoningReader } from "../../../engine/text/reasoning.ts";
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
  reasoningItem,
  type TextLogprobs,
} from "./reply.ts";

export interface ResponseEvent {
  type: string;
  sequence_number: number;
  [field: string]: unknown;
}

interface OpenThought {
  id: string;
  text: string;
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
  /** Where the message stands in the output: behind the thought, if there was one. */
  #index = 0;
  readonly #thinks: boolean;
  #reader: ReasoningReader | undefined;
  #thought: OpenThought | undefined;
  #reasoningTokens = 0;
  /** Of tokens that have shown no text yet. */
  #untold: TextLogprobs = [];

  /** `thinks`: the model is one that does. */
  constructor(tokenizer: Tokenizer, begun: ResponseObject, thinks: boolean) {
    this.#tokenizer = tokenizer;
    this.#begun = begun;
    this.#thinks = thinks;
  }

  /** `inside`: the prompt ends within a thought. */
  begin(inside: boolean): ResponseEvent[] {
    if (this.#thinks) this.#reader = new ReasoningReader(inside);
    const response = this.#begun;
    return [this.#event("response.created", { response }), this.#event("response.in_progress", { response })];
  }

  token(token: TokenEvent): ResponseEvent[] {
    const { reasoning, text } = this.#reader?.push(token.text) ?? { reasoning: "", text: token.text };
    if (this.#reader?.thinking) this.#reasoningTokens++;
    else this.#untold.push(...(chatLogprobs(this.#tokenizer, [token])?.content ?? []));
    return [...this.#think(reasoning), ...this.#say(text)];
  }

  /** The rest of the text, the calls, and the response at its end. */
  end(done: DoneEvent): { events: ResponseEvent[]; response: ResponseObject } {
    const calls = done.toolCalls ?? [];
    const status = done.finishReason === "length" ? "incomplete" : "completed";
    const last = this.#reader?.push(done.text) ?? { reasoning: "", text: done.text };
    const rest = this.#reader?.flush() ?? { reasoning: "", text: "" };
    const events = [...this.#think(last.reasoning + rest.reasoning), ...this.#say(last.text + rest.text)];
    events.push(...this.#closeThought(status));
    // A response has some item: an empty text is one where nothing else is.
    if (!this.#open && calls.length === 0) events.push(...this.#openMessage());
    if (this.#open) events.push(...this.#closeMessage(status));
    for (const call of calls) events.push(...this.#call(call));
    const response = endedResponse(this.#begun, this.#output, done, this.#reasoningTokens);
    events.push(this.#event(`response.${status}`, { response }));
    return { events, response };
  }

  fail(error: MoloraError): ResponseEvent {
    const { code, message } = error;
    const response = { ...this.#begun, status: "failed", output: this.#output, error: { code, message } };
    return this.#event("response.failed", { response });
  }

  #think(delta: string): ResponseEvent[] {
    if (delta === "") return [];
    const events: ResponseEvent[] = [];
    if (this.#thought === undefined) {
      this.#thought = { id: newId("rs"), text: "" };
      const item = reasoningItem(this.#thought.id, "in_progress", "");
      events.push(this.#event("response.output_item.added", { output_index: 0, item }));
    }
    this.#thought.text += delta;
    const place = { item_id: this.#thought.id, output_index: 0, content_index: 0 };
    return [...events, this.#event("response.reasoning_text.delta", { ...place, delta })];
  }

  #closeThought(status: "completed" | "incomplete"): ResponseEvent[] {
    if (this.#thought === undefined || this.#output.length > 0) return [];
    const { id, text } = this.#thought;
    const item = reasoningItem(id, status, text);
    this.#output.push(item);
    const place = { item_id: id, output_index: 0, content_index: 0 };
    return [
      this.#event("response.reasoning_text.done", { ...place, text }),
      this.#event("response.output_item.done", { output_index: 0, item }),
    ];
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
    const events = this.#closeThought("completed");
    this.#index = this.#output.length;
    const item = messageItem(this.#message, "in_progress", []);
    return [
      ...events,
      this.#event("response.output_item.added", { output_index: this.#index, item }),
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
      this.#event("response.output_item.done", { output_index: this.#index, item }),
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
    return { item_id: this.#message, output_index: this.#index, content_index: 0 };
  }

  #event(type: string, fields: object): ResponseEvent {
    return { type, sequence_number: this.#sequence++, ...fields };
  }
}
