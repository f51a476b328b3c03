// A template's source as tokens: text, and what stands in tags. White space around tags goes as in transformers'
// environment (Jinja's trim_blocks and lstrip_blocks; a last newline is no text).

export type TokenKind = "text" | "begin" | "end" | "name" | "string" | "integer" | "float" | "operator" | "eof";

export interface Token {
  kind: TokenKind;
  /** Text, a string's value, a number's digits; `{%`, `{{` and their ends. */
  value: string;
  /** From 1. */
  line: number;
}

/** What is wrong with a template, and where. */
export class TemplateSyntaxError extends Error {
  constructor(message: string, line: number) {
    super(`line ${line}: ${message}`);
  }
}

const OPERATORS = [
  ...["**", "//", "==", "!=", "<=", ">="],
  ...["+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ".", ",", ":", "|", ";"],
];
const CLOSERS: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

const RAW = /\{%([-+]?)\s*raw\s*(?:-%\}\s*|%\})/y;
const END_RAW = /\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)/g;
const END_COMMENT = /\+#\}|-#\}\s*|#\}\n?/g;
const END_BLOCK = /\+%\}|-%\}\s*|%\}\n?/y;
const END_OUTPUT = /-\}\}\s*|\}\}/y;
const SPACE = /\s+/y;
const NAME = /[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}]*/uy;
const FLOAT = /(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?[eE][+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/y;
const INTEGER = /0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\da-fA-F])+|\d+(?:_\d+)*/y;
const STRING = /'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"/sy;

/** @throws TemplateSyntaxError */
export function tokenize(given: string): Token[] {
  return new Lexer(given.replace(/\r\n?/g, "\n").replace(/\n$/, "")).run();
}

class Lexer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;
  #counted = 0;
  /** The tag before ended a line, or there is none. */
  #lineStarts = true;

  constructor(source: string) {
    this.#source = source;
  }

  run(): Token[] {
    for (;;) {
      const begin = /\{[{%#]/g;
      begin.lastIndex = this.#at;
      const found = begin.exec(this.#source);
      if (found === null) {
        this.#push("text", this.#source.slice(this.#at));
        this.#at = this.#source.length;
        this.#push("eof", "the end");
        return this.#tokens.filter(({ kind, value }) => kind !== "text" || value !== "");
      }
      const tag = found[0];
      const text = this.#source.slice(this.#at, found.index);
      const sign = this.#source[found.index + 2];
      this.#push("text", this.#before(text, sign, tag));
      this.#at = found.index;
      this.#tag(tag, sign);
    }
  }

  #tag(tag: string, sign: string | undefined): void {
    const raw = tag === "{%" ? this.#match(RAW) : undefined;
    if (raw !== undefined) {
      const [body, end] = this.#upTo(END_RAW, "endraw");
      this.#push("text", this.#before(body, end[1], "{%"));
      this.#lineStarts = end[0].endsWith("\n");
      return;
    }
    this.#at += 2;
    if (tag === "{#") {
      const [, end] = this.#upTo(END_COMMENT, "#}");
      this.#lineStarts = end[0].endsWith("\n");
      return;
    }
    this.#push("begin", tag);
    if (sign === "-" || sign === "+") this.#at++;
    this.#inside(tag === "{%" ? END_BLOCK : END_OUTPUT, tag === "{%" ? "%}" : "}}");
  }

  #inside(ending: RegExp, name: string): void {
    const open: string[] = [];
    for (;;) {
      this.#match(SPACE);
      if (this.#at >= this.#source.length) throw this.#wrong(`${name} is missing`);
      const end = open.length === 0 ? this.#match(ending) : undefined;
      if (end !== undefined) {
        this.#push("end", name);
        this.#lineStarts = end.endsWith("\n");
        return;
      }
      this.#one(open);
    }
  }

  #one(open: string[]): void {
    for (const [kind, pattern] of [
      ["float", FLOAT],
      ["integer", INTEGER],
      ["name", NAME],
    ] as const) {
      // After a dot digits are an index: `a.0.1`
      if (kind === "float" && this.#tokens.at(-1)?.value === ".") continue;
      const found = this.#match(pattern);
      if (found !== undefined) {
        this.#push(kind, found);
        return;
      }
    }
    const string = this.#match(STRING);
    if (string !== undefined) {
      this.#push("string", unescaped(string.slice(1, -1)));
      return;
    }
    const operator = OPERATORS.find((one) => this.#source.startsWith(one, this.#at));
    if (operator === undefined) throw this.#wrong(`unexpected ${JSON.stringify(this.#source[this.#at])}`);
    if (operator in CLOSERS) open.push(CLOSERS[operator]!);
    else if (")]}".includes(operator) && open.pop() !== operator) throw this.#wrong(`unexpected "${operator}"`);
    this.#at += operator.length;
    this.#push("operator", operator);
  }

  /** Text as it stands ahead of a tag: all white space goes before `-`, a line's indentation before a block. */
  #before(text: string, sign: string | undefined, tag: string): string {
    if (sign === "-") return text.replace(/\s+$/, "");
    if (sign === "+" || tag === "{{") return text;
    const line = text.lastIndexOf("\n") + 1;
    const indents = (line > 0 || this.#lineStarts) && /^\s+$/.test(text.slice(line));
    return indents ? text.slice(0, line) : text;
  }

  #upTo(pattern: RegExp, name: string): [text: string, end: RegExpExecArray] {
    pattern.lastIndex = this.#at;
    const end = pattern.exec(this.#source);
    if (end === null) throw this.#wrong(`${name} is missing`);
    const text = this.#source.slice(this.#at, end.index);
    this.#at = end.index + end[0].length;
    return [text, end];
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #push(kind: TokenKind, value: string): void {
    this.#tokens.push({ kind, value, line: this.#lineNow() });
  }

  #lineNow(): number {
    for (; this.#counted < this.#at; this.#counted++) if (this.#source[this.#counted] === "\n") this.#line++;
    return this.#line;
  }

  #wrong(message: string): TemplateSyntaxError {
    return new TemplateSyntaxError(message, this.#lineNow());
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  ...{ n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v" },
  ...{ "\\": "\\", "'": "'", '"': '"', "\n": "" },
};
const ESCAPE = /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|(.))/gs;

/** Python's escapes; a backslash before anything else stays. */
function unescaped(text: string): string {
  return text.replace(ESCAPE, (whole, x, u, long, octal, one) => {
    const hex = x ?? u ?? long;
    if (hex !== undefined) return String.fromCodePoint(Math.min(Number.parseInt(hex, 16), 0x10ffff));
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
    return ESCAPES[one] ?? whole;
  });
}
