// Gives every expert one colour wherever it is named, and a few other styles of a terminal.
// Without colours every text stays as it is.

/** 256-colour codes that stand apart on dark and on light grounds. */
const COLORS = [75, 214, 205, 78, 141, 80, 221, 173, 110, 176, 149, 209];
const GREY = 245;

export class Palette {
  /** False where texts stay without colours. */
  readonly colors: boolean;
  readonly #codes = new Map<string, number>([["base", GREY]]);

  /** Colours are given in the order of `experts`; names that come up later get the next ones. */
  constructor(experts: readonly string[], colors: boolean) {
    this.colors = colors;
    for (const name of experts) this.code(name);
  }

  /** The expert's 256-colour code. */
  code(expert: string): number {
    let code = this.#codes.get(expert);
    if (code === undefined) {
      code = COLORS[(this.#codes.size - 1) % COLORS.length];
      this.#codes.set(expert, code);
    }
    return code;
  }

  paint(expert: string, text: string): string {
    return this.#styled(`38;5;${this.code(expert)}`, text);
  }

  /** Upper half in one expert's colour, lower half in the other's. */
  halves(upper: string, lower: string): string {
    return this.#styled(`38;5;${this.code(upper)};48;5;${this.code(lower)}`, "▀");
  }

  bold(text: string): string {
    return this.#styled("1", text);
  }

  dim(text: string): string {
    return this.#styled("38;5;244", text);
  }

  #styled(style: string, text: string): string {
    return this.colors && text !== "" ? `\u001b[${style}m${text}\u001b[0m` : text;
  }
}
