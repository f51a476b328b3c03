// Python's regular expression syntax, the part that module patterns use, as a tree.
// pattern.ts runs the tree.

import { MoloraError } from "../../proto/errors.ts";

export type PatternNode =
  | { kind: "take"; accepts: (character: string) => boolean }
  | { kind: "edge"; holds: (text: string, at: number) => boolean }
  /** `part` matches what begins here, or with `negative` nothing does. */
  | { kind: "ahead"; part: PatternNode; negative: boolean }
  | { kind: "sequence"; parts: PatternNode[] }
  | { kind: "choice"; parts: PatternNode[] }
  | { kind: "repeat"; part: PatternNode; least: number; most: number };

/** Longest pattern taken, in characters. */
const MAX_LENGTH = 2_000;
/** Deepest nesting of groups. */
const MAX_DEPTH = 50;

type Accepts = (character: string) => boolean;

const CLASSES: Record<string, Accepts> = {
  d: (c) => /[0-9]/.test(c),
  D: (c) => /[^0-9]/.test(c),
  w: (c) => /\w/.test(c),
  W: (c) => /\W/.test(c),
  s: (c) => /\s/.test(c),
  S: (c) => /\S/.test(c),
};

const atWordEdge = (text: string, at: number): boolean => /\w/.test(text[at - 1] ?? " ") !== /\w/.test(text[at] ?? " ");

const EDGES: Record<string, (text: string, at: number) => boolean> = {
  b: atWordEdge,
  B: (text, at) => !atWordEdge(text, at),
  A: (_, at) => at === 0,
  Z: (text, at) => at === text.length,
};

/** Parses a pattern: `config_invalid` for bad syntax, `adapter_unsupported` for syntax that is not taken. */
export function parsePattern(source: string): PatternNode {
  if (source.length > MAX_LENGTH) {
    throw new MoloraError("adapter_unsupported", `a pattern of ${source.length} characters, at most ${MAX_LENGTH}`);
  }
  const parser = new Parser(source);
  return parser.parse();
}

class Parser {
  readonly #source: string;
  #at = 0;
  #depth = 0;
  #ahead = false;

  constructor(source: string) {
    this.#source = source;
  }

  parse(): PatternNode {
    const node = this.#choice();
    if (this.#at < this.#source.length) this.#invalid('")" without "("');
    return node;
  }

  #choice(): PatternNode {
    const parts = [this.#sequence()];
    while (this.#skip("|")) parts.push(this.#sequence());
    return parts.length === 1 ? parts[0] : { kind: "choice", parts };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    while (this.#at < this.#source.length && this.#peek() !== "|" && this.#peek() !== ")") {
      if (this.#count() !== undefined) this.#invalid("a repeat of nothing");
      parts.push(this.#repeated(this.#atom()));
    }
    return { kind: "sequence", parts };
  }

  #repeated(part: PatternNode): PatternNode {
    const count = this.#count();
    if (count === undefined) return part;
    if (part.kind === "edge" || part.kind === "ahead") this.#invalid("a repeated position");
    // Lazy or greedy, the same texts match as a whole; a possessive repeat matches fewer.
    if (!this.#skip("?") && this.#peek() === "+") this.#unsupported("possessive repeats");
    if (this.#count() !== undefined) this.#invalid("a repeat of a repeat");
    return { kind: "repeat", part, least: count[0], most: count[1] };
  }

  #count(): [least: number, most: number] | undefined {
    if (this.#skip("*")) return [0, Infinity];
    if (this.#skip("+")) return [1, Infinity];
    if (this.#skip("?")) return [0, 1];
    // As in Python, a brace that is no count stands for itself.
    const braces = /^\{(\d*)(,?)(\d*)\}/.exec(this.#source.slice(this.#at));
    if (braces === null || (braces[1] === "" && braces[2] === "")) return undefined;
    this.#at += braces[0].length;
    const least = Number(braces[1]);
    const most = braces[2] === "" ? least : braces[3] === "" ? Infinity : Number(braces[3]);
    if (most < least) this.#invalid(`"${braces[0]}"`);
    return [least, most];
  }

  #atom(): PatternNode {
    const character = this.#next();
    switch (character) {
      case "(":
        return this.#group();
      case "[":
        return { kind: "take", accepts: this.#set() };
      case ".":
        return { kind: "take", accepts: (c) => c !== "\n" };
      case "^":
        return { kind: "edge", holds: (_, at) => at === 0 };
      case "$":
        return { kind: "edge", holds: (text, at) => at === text.length };
      case "\\":
        return this.#escape();
      default:
        return { kind: "take", accepts: (c) => c === character };
    }
  }

  #group(): PatternNode {
    if (++this.#depth > MAX_DEPTH) this.#unsupported(`more than ${MAX_DEPTH} nested groups`);
    if (this.#skip("?") && !this.#skip(":")) {
      if (this.#skip("=")) return this.#lookahead(false);
      if (this.#skip("!")) return this.#lookahead(true);
      const name = /^P<\w+>/.exec(this.#source.slice(this.#at));
      if (name === null) this.#unsupported("lookbehind, back references and inline flags");
      this.#at += name[0].length;
    }
    return this.#closed();
  }

  /** The rest of a group. */
  #closed(): PatternNode {
    const node = this.#choice();
    if (!this.#skip(")")) this.#invalid('"(" without ")"');
    this.#depth--;
    return node;
  }

  /** One within another would be tried again at every place where the outer one is. */
  #lookahead(negative: boolean): PatternNode {
    if (this.#ahead) this.#unsupported("a lookahead within another");
    this.#ahead = true;
    const part = this.#closed();
    this.#ahead = false;
    return { kind: "ahead", part, negative };
  }

  #escape(): PatternNode {
    const character = this.#next();
    if (Object.hasOwn(EDGES, character)) return { kind: "edge", holds: EDGES[character] };
    return { kind: "take", accepts: this.#escaped(character) };
  }

  #escaped(character: string): Accepts {
    if (Object.hasOwn(CLASSES, character)) return CLASSES[character];
    if (/[0-9A-Za-z]/.test(character)) this.#unsupported(`"\\${character}"`);
    return (c) => c === character;
  }

  /** The inside of [...]. A "]" first in it stands for itself, as in Python. */
  #set(): Accepts {
    const negated = this.#skip("^");
    const members: Accepts[] = [];
    while (members.length === 0 || this.#peek() !== "]") {
      const character = this.#next();
      if (character === "\\") {
        members.push(this.#escaped(this.#next()));
      } else if (this.#peek() === "-" && this.#source[this.#at + 1] !== "]") {
        this.#at++;
        const last = this.#next();
        if (last === "\\" || last < character) this.#invalid(`the range "${character}-${last}"`);
        members.push((c) => c >= character && c <= last);
      } else {
        members.push((c) => c === character);
      }
    }
    this.#at++;
    return (c) => members.some((accepts) => accepts(c)) !== negated;
  }

  #peek(): string | undefined {
    return this.#source[this.#at];
  }

  #next(): string {
    if (this.#at >= this.#source.length) this.#invalid("an end too soon");
    return this.#source[this.#at++];
  }

  #skip(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  #invalid(what: string): never {
    throw new MoloraError("config_invalid", `the pattern "${this.#source}" has ${what}`);
  }

  #unsupported(what: string): never {
    throw new MoloraError("adapter_unsupported", `the pattern "${this.#source}" uses what is not taken: ${what}`, {
      remedy: "Write it with groups, alternatives, classes and repeats, or list the modules by name.",
    });
  }
}
