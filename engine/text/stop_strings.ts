// Looks for stop strings in a text that arrives in pieces, letting through what can no longer be part of one.

import { MoloraError } from "../../proto/errors.ts";

/** Text that may be shown now; `stopped` names the stop string that ended the text. */
export interface Passed {
  text: string;
  stopped?: string;
}

/**
 * The text ends before the stop string that is complete first, read character by character; of several complete at the
 * same character the longest. So the result does not depend on how the text was cut into pieces.
 */
export class StopStrings {
  readonly #stop: readonly string[];
  /** The end of the text so far, while it is the beginning of some stop string. */
  #held = "";

  /** @throws MoloraError `bad_request` for an empty or malformed (unpaired surrogate) stop string. */
  constructor(stop: readonly string[]) {
    for (const text of stop) {
      if (text === "" || /\p{Surrogate}/u.test(text)) {
        throw new MoloraError("bad_request", `stop string ${JSON.stringify(text)} can never be found in a text`, {
          remedy: "Leave it out.",
        });
      }
    }
    this.#stop = stop;
  }

  push(text: string): Passed {
    const window = this.#held + text;
    const found = this.#first(window);
    if (found !== undefined) {
      this.#held = "";
      return { text: window.slice(0, found.at), stopped: found.stop };
    }
    const shown = window.length - openLength(window, this.#stop);
    this.#held = window.slice(shown);
    return { text: window.slice(0, shown) };
  }

  /** What was held back, once no more text comes. */
  flush(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  #first(window: string): { at: number; stop: string } | undefined {
    let first: { at: number; stop: string } | undefined;
    for (const stop of this.#stop) {
      const at = window.indexOf(stop);
      if (at === -1) continue;
      const end = at + stop.length;
      const best = first === undefined ? Number.POSITIVE_INFINITY : first.at + first.stop.length;
      if (end < best || (end === best && stop.length > first!.stop.length)) first = { at, stop };
    }
    return first;
  }
}

/** Length of the longest end of `text` that begins one of `marks` and is not the whole of it. */
export function openLength(text: string, marks: readonly string[]): number {
  const longest = Math.max(0, ...marks.map((mark) => mark.length));
  for (let length = Math.min(text.length, longest - 1); length > 0; length--) {
    const end = text.slice(-length);
    if (marks.some((mark) => mark.length > length && mark.startsWith(end))) return length;
  }
  return 0;
}
