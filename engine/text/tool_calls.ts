// Calls of tools read out of a generated text as it comes, in the notation the model's template teaches.

import type { ToolCall } from "../../proto/api.ts";
import { openLength } from "./stop_strings.ts";

/** How a family of templates writes a call: JSON with the tool's name and its arguments, between two marks. */
export interface CallNotation {
  family: "hermes" | "llama3";
  /** "" where a call is the whole text. */
  begin: string;
  end: string;
  /** The JSON field that holds the arguments. */
  argumentsField: "arguments" | "parameters";
}

/** Hermes, Qwen and most of ChatML: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, any number of them. */
export const HERMES: CallNotation = {
  family: "hermes",
  begin: "<tool_call>",
  end: "</tool_call>",
  argumentsField: "arguments",
};

/** Llama 3.1 and later: the whole text is `{"name": …, "parameters": {…}}`. */
export const LLAMA3: CallNotation = { family: "llama3", begin: "", end: "", argumentsField: "parameters" };

/** The notation a template teaches together with the tools it lists; undefined: it lists none, or in a notation unknown here. */
export function notationOf(chatTemplate: string | undefined): CallNotation | undefined {
  if (chatTemplate === undefined || !/\btools\b/.test(chatTemplate)) return undefined;
  if (chatTemplate.includes(HERMES.begin)) return HERMES;
  return chatTemplate.includes('"parameters"') && chatTemplate.includes("ipython") ? LLAMA3 : undefined;
}

/**
 * Splits a text that arrives in pieces into what is said and what is called. What looks like a call and turns out not
 * to be one (no JSON, no name) is said after all: nothing the model wrote is lost.
 */
export class ToolCallReader {
  readonly calls: ToolCall[] = [];
  readonly #notation: CallNotation;
  readonly #names: ReadonlySet<string>;
  /** Text that is, or may yet turn out to be, part of a call. */
  #held = "";
  /** A text that is one call as a whole is told by its first character. */
  #decided = false;

  constructor(notation: CallNotation, names: Iterable<string>) {
    this.#notation = notation;
    this.#names = new Set(names);
  }

  /** What of the text so far is certainly said. */
  push(text: string): string {
    this.#held += text;
    return this.#notation.begin === "" ? this.#pushWhole() : this.#pushMarked();
  }

  /**
   * The rest, once no more text comes. `cut`: the text was to go on, so that the beginning of a call is neither a call nor
   * said: nobody wants its markup.
   */
  flush(cut = false): string {
    const rest = this.#held;
    this.#held = "";
    const { begin, end } = this.#notation;
    const unclosed = rest.slice(begin.length, rest.length - (end === "" ? 0 : openLength(rest, [end])));
    const isCall = rest.startsWith(begin) && this.#take(unclosed);
    return isCall || (cut && this.#beginsCall(rest)) ? "" : rest;
  }

  #beginsCall(rest: string): boolean {
    const { begin } = this.#notation;
    // One character may be anything.
    if (begin !== "") return rest.length > 1 && (rest.startsWith(begin) || begin.startsWith(rest));
    const head = rest.replace(/\s/g, "");
    return (
      head.length > 1 &&
      [...this.#names].some((name) => begins(`{"name":${JSON.stringify(name)}`.replace(/\s/g, ""), head))
    );
  }

  #pushWhole(): string {
    const first = this.#held.trimStart();
    if (!this.#decided && (first === "" || first.startsWith("{"))) return "";
    this.#decided = true;
    const said = this.#held;
    this.#held = "";
    return said;
  }

  #pushMarked(): string {
    const { begin, end } = this.#notation;
    let said = "";
    for (;;) {
      const at = this.#held.indexOf(begin);
      if (at === -1) return said + this.#release(this.#held.length - openLength(this.#held, [begin]));
      said += this.#release(at);
      const close = this.#held.indexOf(end);
      if (close === -1) return said;
      const whole = this.#release(close + end.length);
      if (!this.#take(whole.slice(begin.length, close))) said += whole;
    }
  }

  #release(length: number): string {
    const released = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return released;
  }

  #take(json: string): boolean {
    const call = readCall(json, this.#notation);
    // Without marks any JSON answer could be taken for a call, so there the name decides.
    if (call === undefined || (this.#notation.begin === "" && !this.#names.has(call.name))) return false;
    this.calls.push({ id: `call_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`, ...call });
    return true;
  }
}

function readCall(json: string, { argumentsField }: CallNotation): Omit<ToolCall, "id"> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("name" in value) || typeof value.name !== "string") {
    return undefined;
  }
  const given = (value as Record<string, unknown>)[argumentsField] ?? {};
  // Some models write the arguments as JSON text of their own.
  return { name: value.name, arguments: typeof given === "string" ? given : JSON.stringify(given) };
}

/** One is the other's beginning. */
function begins(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a);
}
