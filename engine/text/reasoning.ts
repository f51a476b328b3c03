// What a model thinks, apart from what it says: thinking models write `<think>…</think>` ahead of their answer.

import { openLength } from "./stop_strings.ts";
import type { Tokenizer } from "./tokenizer.ts";

const BEGIN = "<think>";
const END = "</think>";

/** Whether a chat template is that of a model that thinks. */
export function thinks(chatTemplate: string | undefined): boolean {
  return chatTemplate?.includes(END) ?? false;
}

/** Tokens that may spell the end of a prompt that opens a thought: a byte each at worst, and white space behind. */
const LOOKED_AT = 16;

/** Whether a prompt ends within a thought, as templates of models that always think begin the answer. */
export function opensThought(tokenizer: Tokenizer, prompt: readonly number[]): boolean {
  return thinks(tokenizer.chatTemplate) && /<think>\s*$/.test(tokenizer.decode(prompt.slice(-LOOKED_AT)));
}

/** A piece of an answer. */
export interface Separated {
  reasoning: string;
  text: string;
}

/** An answer as it was before it was separated: templates take a thought out of it, or leave it in, as they are made to. */
export function joined({ reasoning, text }: Separated): string {
  return reasoning === "" ? text : `${BEGIN}\n${reasoning}\n${END}\n\n${text}`;
}

/**
 * Separates a text that arrives in pieces. A thought stands at its beginning or not at all; white space around it is of
 * neither part.
 */
export class ReasoningReader {
  #state: "before" | "inside" | "behind" | "said";
  /** What may yet turn out to be a mark, or white space at a part's edge. */
  #held = "";
  #begun = false;

  /** `inside`: the prompt has opened the thought already. */
  constructor(inside: boolean) {
    this.#state = inside ? "inside" : "before";
  }

  push(piece: string): Separated {
    this.#held += piece;
    if (this.#state === "before") this.#open();
    const reasoning = this.#state === "inside" ? this.#think() : "";
    if (this.#state === "behind") {
      this.#held = this.#held.trimStart();
      if (this.#held !== "") this.#state = "said";
    }
    return { reasoning, text: this.#state === "said" ? this.#take(this.#held.length) : "" };
  }

  /** The rest, once no more comes. A thought that was not closed stays a thought. */
  flush(): Separated {
    const rest = this.#take(this.#held.length);
    if (this.#state === "inside") return { reasoning: rest.trimEnd(), text: "" };
    return { reasoning: "", text: this.#state === "behind" ? "" : rest };
  }

  #open(): void {
    const seen = this.#held.trimStart();
    if (seen.startsWith(BEGIN)) {
      this.#held = seen.slice(BEGIN.length);
      this.#state = "inside";
    } else if (!BEGIN.startsWith(seen)) this.#state = "said";
  }

  #think(): string {
    const end = this.#held.indexOf(END);
    const known = end === -1 ? this.#held.length - openLength(this.#held, [END]) : end;
    const thought = this.#held.slice(0, known);
    const shown = this.#begun ? thought.trimEnd() : thought.trim();
    if (shown !== "") this.#begun = true;
    if (end === -1) {
      // White space at the end may be inside the thought.
      const kept = this.#begun ? thought.trimEnd().length : thought.length;
      this.#held = this.#held.slice(kept);
      return shown;
    }
    this.#held = this.#held.slice(end + END.length);
    this.#state = "behind";
    return shown;
  }

  #take(length: number): string {
    const taken = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return taken;
  }
}
