// Streams a text that shows the expert of each token: in its colour, or between [name] and [/].

import type { TokenTrace } from "../../proto/api.ts";
import type { Palette } from "./palette.ts";

/** The expert that most layers put first; of equals, the one of the lower layer. */
export function dominantExpert(trace: TokenTrace): string {
  const votes = new Map<string, number>();
  for (const { experts } of trace) votes.set(experts[0], (votes.get(experts[0]) ?? 0) + 1);
  let best = "base";
  for (const [name, count] of votes) if (count > (votes.get(best) ?? 0)) best = name;
  return best;
}

export class RoutedText {
  readonly #write: (text: string) => void;
  readonly #palette: Palette;
  readonly #columns: number;
  #column = 0;
  /** The expert whose mark is open, where there are no colours. */
  #open: string | undefined;

  /** Breaks lines at words before `columns`; default: never. */
  constructor(write: (text: string) => void, palette: Palette, columns = Number.POSITIVE_INFINITY) {
    this.#write = write;
    this.#palette = palette;
    this.#columns = columns;
  }

  /** Writes a token's text and the expert that served it. */
  push(text: string, expert: string): void {
    if (text === "") return;
    const wrapped = this.#wrap(text);
    if (this.#palette.colors) {
      // Newlines stay outside the colour, or some terminals fill the line with it
      this.#write(wrapped.replace(/[^\n]+/g, (line) => this.#palette.paint(expert, line)));
      return;
    }
    const mark = expert === this.#open ? "" : `${this.#open === undefined ? "" : "[/]"}[${expert}]`;
    this.#open = expert;
    this.#write(mark + wrapped);
  }

  /** Ends the text and its line. */
  end(): void {
    this.#write(this.#open === undefined ? "\n" : "[/]\n");
    this.#open = undefined;
    this.#column = 0;
  }

  #wrap(text: string): string {
    // A token that begins with a space begins a word
    const breaks = text.startsWith(" ") && this.#column + text.length > this.#columns;
    const wrapped = breaks ? `\n${text.slice(1)}` : text;
    const last = wrapped.lastIndexOf("\n");
    this.#column = last < 0 ? this.#column + wrapped.length : wrapped.length - last - 1;
    return wrapped;
  }
}
