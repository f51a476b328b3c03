// A schema's pattern (ECMA-262 with the flag u) as a tree. What no finite automaton can hold to is refused by name.

import { schemaInvalid } from "./budget.ts";
import { type CharSet, complement, DOT, ESCAPED, of, property, single, union } from "./char_set.ts";

export type PatternNode =
  | { kind: "set"; set: CharSet }
  | { kind: "sequence"; parts: PatternNode[] }
  | { kind: "choice"; of: PatternNode[] }
  | { kind: "repeat"; part: PatternNode; min: number; max: number }
  /** Where the text begins (`^`) or ends (`$`). */
  | { kind: "edge"; edge: "begin" | "end" }
  | { kind: "look"; part: PatternNode; negative: boolean };

/** Deepest nesting of groups. */
const DEEPEST = 200;
const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, "0": 0 };

/** @throws MoloraError `schema_invalid` for a pattern that is none, or has lookbehind, word boundaries or back references. */
export function parsePattern(source: string): PatternNode {
  return new Parser(source).whole();
}

class Parser {
  readonly #source: string;
  readonly #chars: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
    this.#chars = Array.from(source);
  }

  whole(): PatternNode {
    const node = this.#choice();
    if (this.#at < this.#chars.length) this.#fail(`an unmatched ${this.#chars[this.#at]}`);
    return node;
  }

  #fail(reason: string): never {
    throw schemaInvalid(`the pattern ${JSON.stringify(this.#source.slice(0, 80))} has ${reason}`);
  }

  #next(): string {
    return this.#chars[this.#at++] ?? this.#fail("no end");
  }

  #eat(text: string): boolean {
    const chars = Array.from(text);
    if (!chars.every((char, i) => this.#chars[this.#at + i] === char)) return false;
    this.#at += chars.length;
    return true;
  }

  #choice(): PatternNode {
    if (++this.#depth > DEEPEST) this.#fail("groups nested too deep");
    const all = [this.#sequence()];
    while (this.#eat("|")) all.push(this.#sequence());
    this.#depth--;
    return all.length === 1 ? all[0] : { kind: "choice", of: all };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    while (this.#at < this.#chars.length && this.#chars[this.#at] !== "|" && this.#chars[this.#at] !== ")") {
      parts.push(this.#quantified(this.#atom()));
    }
    return { kind: "sequence", parts };
  }

  #quantified(part: PatternNode): PatternNode {
    const counts = this.#quantifier();
    if (counts === undefined) return part;
    if (part.kind === "edge" || part.kind === "look") this.#fail("a count of what takes no characters");
    this.#eat("?"); // Lazy or greedy, the language is the same.
    const [min, max] = counts;
    if (min > max) this.#fail("a count whose least is above its most");
    return { kind: "repeat", part, min, max };
  }

  #quantifier(): [number, number] | undefined {
    if (this.#eat("*")) return [0, Number.POSITIVE_INFINITY];
    if (this.#eat("+")) return [1, Number.POSITIVE_INFINITY];
    if (this.#eat("?")) return [0, 1];
    if (!this.#eat("{")) return undefined;
    let inside = "";
    for (let char = this.#next(); char !== "}"; char = this.#next()) inside += char;
    const found = /^(\d+)(?:(,)(\d*))?$/.exec(inside);
    if (found === null) this.#fail("a brace that begins no count");
    const [, least, comma, most] = found;
    if (comma === undefined) return [Number(least), Number(least)];
    return [Number(least), most === "" ? Number.POSITIVE_INFINITY : Number(most)];
  }

  #atom(): PatternNode {
    const char = this.#next();
    switch (char) {
      case "^":
        return { kind: "edge", edge: "begin" };
      case "$":
        return { kind: "edge", edge: "end" };
      case ".":
        return { kind: "set", set: DOT };
      case "[":
        return { kind: "set", set: this.#class() };
      case "(":
        return this.#group();
      case "\\":
        return { kind: "set", set: this.#escape(false) };
      case "*":
      case "+":
      case "?":
      case "{":
      case "}":
      case "]":
        return this.#fail(`a stray ${char}`);
      default:
        return { kind: "set", set: single(char.codePointAt(0)!) };
    }
  }

  #group(): PatternNode {
    const negative = this.#eat("?!");
    if (negative || this.#eat("?=")) {
      const part = this.#choice();
      if (!this.#eat(")")) this.#fail("an unclosed group");
      return { kind: "look", part, negative };
    }
    if (this.#eat("?<=") || this.#eat("?<!")) this.#fail("lookbehind, which is not supported");
    if (this.#eat("?<")) {
      while (this.#next() !== ">");
    } else if (!this.#eat("?:") && this.#chars[this.#at] === "?") {
      this.#fail("a group of an unknown kind");
    }
    const part = this.#choice();
    if (!this.#eat(")")) this.#fail("an unclosed group");
    return part;
  }

  #class(): CharSet {
    const negated = this.#eat("^");
    const sets: CharSet[] = [];
    while (!this.#eat("]")) {
      const low = this.#member();
      if (this.#chars[this.#at] !== "-" || this.#chars[this.#at + 1] === "]") {
        sets.push(low);
        continue;
      }
      this.#at++;
      const high = this.#member();
      if (!isPoint(low) || !isPoint(high) || low[0][0] > high[0][0]) this.#fail("a range of characters that is none");
      sets.push(of([low[0][0], high[0][0]]));
    }
    const set = union(...sets);
    return negated ? complement(set) : set;
  }

  #member(): CharSet {
    const char = this.#next();
    return char === "\\" ? this.#escape(true) : single(char.codePointAt(0)!);
  }

  #escape(inClass: boolean): CharSet {
    const char = this.#next();
    if (ESCAPED[char] !== undefined) return ESCAPED[char];
    if (char === "p" || char === "P") {
      const name = /^\{([^}]*)\}/.exec(this.#chars.slice(this.#at, this.#at + 60).join(""))?.[1];
      const set = name === undefined ? undefined : property(name);
      if (name === undefined || set === undefined) this.#fail("an unknown property of characters");
      this.#at += Array.from(name).length + 2;
      return char === "p" ? set : complement(set);
    }
    if (inClass && char === "b") return single(8);
    if (char === "b" || char === "B") this.#fail("a word boundary, which is not supported");
    if (/[1-9k]/.test(char)) this.#fail("a back reference, which is not supported");
    if (CONTROLS[char] !== undefined) return single(CONTROLS[char]);
    if (char === "c") return single(this.#next().codePointAt(0)! % 32);
    if (char === "x") return single(this.#hex(2));
    if (char === "u") return single(this.#codePoint());
    if (/[a-zA-Z]/.test(char)) this.#fail(`an unknown escape \\${char}`);
    return single(char.codePointAt(0)!);
  }

  #codePoint(): number {
    if (this.#eat("{")) {
      let digits = "";
      for (let char = this.#next(); char !== "}"; char = this.#next()) digits += char;
      const point = /^[0-9a-fA-F]{1,8}$/.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
      return point <= 0x10ffff ? point : this.#fail("a code point that is none");
    }
    const unit = this.#hex(4);
    if (unit < 0xd800 || unit > 0xdbff || !this.#eat("\\u")) return unit;
    return 0x10000 + ((unit - 0xd800) << 10) + (this.#hex(4) - 0xdc00);
  }

  #hex(length: number): number {
    const digits = this.#chars.slice(this.#at, this.#at + length).join("");
    if (!new RegExp(`^[0-9a-fA-F]{${length}}$`).test(digits)) this.#fail("an escape that lacks digits");
    this.#at += length;
    return Number.parseInt(digits, 16);
  }
}

function isPoint(set: CharSet): boolean {
  return set.length === 1 && set[0][0] === set[0][1];
}
