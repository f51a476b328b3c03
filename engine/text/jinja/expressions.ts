// Tokens to expressions, by Jinja's grammar and in its precedence.

import { FILTERS } from "./filters.ts";
import { TemplateSyntaxError, type Token, type TokenKind } from "./lexer.ts";
import type { Arguments, Arithmetic, Comparison, Expression } from "./nodes.ts";
import { TESTS } from "./tests.ts";
import { asFloat } from "./values.ts";

const COMPARISONS: readonly string[] = ["==", "!=", "<", "<=", ">", ">="];
const CONSTANTS = new Map([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
]);
/** What may follow a test without being its argument. */
const BEHIND_TEST = ["else", "or", "and", "if", "in", "not", "recursive"];
/** Brackets within brackets: deeper ones are damage, and would exhaust the stack. */
const DEEPEST = 100;

export class Expressions {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get current(): Token {
    return this.#tokens[this.#at]!;
  }

  next(): Token {
    return this.#tokens[this.#at++] ?? this.current;
  }

  is(kind: TokenKind, value?: string, ahead = 0): boolean {
    const token = this.#tokens[this.#at + ahead];
    return token?.kind === kind && (value === undefined || token.value === value);
  }

  skip(kind: TokenKind, value?: string): boolean {
    if (!this.is(kind, value)) return false;
    this.#at++;
    return true;
  }

  expect(kind: TokenKind, value?: string): Token {
    if (!this.is(kind, value)) throw this.wrong(`expected ${value ?? kind}, got ${this.current.value}`);
    return this.next();
  }

  wrong(message: string): TemplateSyntaxError {
    return new TemplateSyntaxError(message, this.current.line);
  }

  expression(): Expression {
    return this.#nested(() => {
      let found = this.#or();
      while (this.skip("name", "if")) {
        const condition = this.#or();
        const otherwise = this.skip("name", "else") ? this.expression() : undefined;
        found = { kind: "choice", condition, value: found, otherwise };
      }
      return found;
    });
  }

  /** One expression, or several with commas between as a tuple. `conditional`: `a if b` may stand in it. */
  sequence(conditional = true): Expression {
    const one = () => (conditional ? this.expression() : this.#nested(() => this.#or()));
    const items = [one()];
    let tuple = false;
    while (this.skip("operator", ",")) {
      tuple = true;
      if (this.is("end") || this.is("operator", ")")) break;
      items.push(one());
    }
    return tuple ? { kind: "list", items, tuple: true } : items[0]!;
  }

  /** A filter's name and arguments, applied to `of`. */
  filter(of: Expression | undefined): Expression {
    const name = this.#dotted();
    if (!FILTERS.has(name)) throw this.wrong(`there is no filter ${name}`);
    return { kind: "filter", of, name, args: this.is("operator", "(") ? this.args() : NO_ARGUMENTS };
  }

  args(): Arguments {
    this.expect("operator", "(");
    const positional: Expression[] = [];
    const named: [string, Expression][] = [];
    const spreads: { spread?: Expression; spreadNamed?: Expression } = {};
    while (!this.is("operator", ")")) {
      if (this.skip("operator", "**")) spreads.spreadNamed = this.expression();
      else if (this.skip("operator", "*")) spreads.spread = this.expression();
      else if (this.is("name") && this.is("operator", "=", 1)) {
        const name = this.next().value;
        this.next();
        named.push([name, this.expression()]);
      } else if (named.length > 0 || Object.keys(spreads).length > 0) {
        throw this.wrong("a positional argument behind a named one");
      } else positional.push(this.expression());
      if (!this.is("operator", ")")) this.expect("operator", ",");
    }
    this.next();
    return { positional, named, ...spreads };
  }

  #nested<T>(parse: () => T): T {
    if (++this.#depth > DEEPEST) throw this.wrong("expressions are nested too deep");
    const found = parse();
    this.#depth--;
    return found;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.skip("name", "or")) left = { kind: "or", left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.skip("name", "and")) left = { kind: "and", left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    return this.skip("name", "not") ? { kind: "not", of: this.#nested(() => this.#not()) } : this.#compare();
  }

  #compare(): Expression {
    const first = this.#sum();
    const rest: [Comparison, Expression][] = [];
    for (;;) {
      if (this.is("operator") && COMPARISONS.includes(this.current.value)) {
        rest.push([this.next().value as Comparison, this.#sum()]);
      } else if (this.skip("name", "in")) rest.push(["in", this.#sum()]);
      else if (this.is("name", "not") && this.is("name", "in", 1)) {
        this.#at += 2;
        rest.push(["not in", this.#sum()]);
      } else return rest.length === 0 ? first : { kind: "compare", first, rest };
    }
  }

  #sum(): Expression {
    return this.#left(["+", "-"], () =>
      this.#left(["~"], () => this.#left(["*", "/", "//", "%"], () => this.#left(["**"], () => this.#unary(true)))),
    );
  }

  #left(operators: readonly string[], operand: () => Expression): Expression {
    let left = operand();
    while (this.is("operator") && operators.includes(this.current.value)) {
      const operator = this.next().value as Arithmetic;
      left = { kind: "binary", operator, left, right: operand() };
    }
    return left;
  }

  #unary(filtered: boolean): Expression {
    const sign = this.is("operator", "-") || this.is("operator", "+") ? this.next().value : undefined;
    const found: Expression =
      sign === undefined
        ? this.#postfix(this.#primary())
        : { kind: "sign", minus: sign === "-", of: this.#nested(() => this.#unary(false)) };
    return filtered ? this.#filtered(found) : found;
  }

  #primary(): Expression {
    const token = this.next();
    switch (token.kind) {
      case "name": {
        const value = CONSTANTS.get(token.value);
        return value === undefined ? { kind: "name", name: token.value } : { kind: "constant", value };
      }
      case "string": {
        let value = token.value;
        while (this.is("string")) value += this.next().value;
        return { kind: "constant", value };
      }
      case "integer":
        return { kind: "constant", value: Number(token.value.replaceAll("_", "")) };
      case "float":
        return { kind: "constant", value: asFloat(Number(token.value.replaceAll("_", ""))) };
      case "operator":
        if (token.value === "(") return this.#parenthesised();
        if (token.value === "[") return this.#list();
        if (token.value === "{") return this.#dict();
    }
    this.#at--;
    throw this.wrong(`unexpected ${token.value}`);
  }

  #parenthesised(): Expression {
    if (this.skip("operator", ")")) return { kind: "list", items: [], tuple: true };
    const found = this.sequence();
    this.expect("operator", ")");
    return found;
  }

  #list(): Expression {
    const items: Expression[] = [];
    while (!this.is("operator", "]")) {
      items.push(this.expression());
      if (!this.is("operator", "]")) this.expect("operator", ",");
    }
    this.next();
    return { kind: "list", items, tuple: false };
  }

  #dict(): Expression {
    const entries: [Expression, Expression][] = [];
    while (!this.is("operator", "}")) {
      const key = this.expression();
      this.expect("operator", ":");
      entries.push([key, this.expression()]);
      if (!this.is("operator", "}")) this.expect("operator", ",");
    }
    this.next();
    return { kind: "dict", entries };
  }

  #postfix(of: Expression): Expression {
    let found = of;
    for (;;) {
      if (this.skip("operator", ".")) found = this.#member(found);
      else if (this.skip("operator", "[")) found = this.#subscript(found);
      else if (this.is("operator", "(")) found = { kind: "call", callee: found, args: this.args() };
      else return found;
    }
  }

  #member(of: Expression): Expression {
    if (this.is("integer")) return { kind: "item", of, at: { kind: "constant", value: Number(this.next().value) } };
    return { kind: "attribute", of, name: this.expect("name").value };
  }

  #subscript(of: Expression): Expression {
    const part = () => (this.is("operator", ":") || this.is("operator", "]") ? undefined : this.expression());
    const from = part();
    if (!this.is("operator", ":")) {
      this.expect("operator", "]");
      if (from === undefined) throw this.wrong("an empty subscript");
      return { kind: "item", of, at: from };
    }
    const found: { from?: Expression; to?: Expression; step?: Expression } = from === undefined ? {} : { from };
    for (const name of ["to", "step"] as const) {
      if (!this.skip("operator", ":")) continue;
      const value = part();
      if (value !== undefined) found[name] = value;
    }
    this.expect("operator", "]");
    return { kind: "slice", of, ...found };
  }

  #filtered(of: Expression): Expression {
    let found = of;
    for (;;) {
      if (this.skip("operator", "|")) found = this.filter(found);
      else if (this.skip("name", "is")) found = this.#test(found);
      // What a filter gives can be called, and have parts.
      else if (found !== of && this.is("operator", "(")) found = this.#postfix(found);
      else return found;
    }
  }

  #test(of: Expression): Expression {
    const negated = this.skip("name", "not");
    const name = this.#dotted();
    if (!TESTS.has(name)) throw this.wrong(`there is no test ${name}`);
    let args = NO_ARGUMENTS;
    if (this.is("operator", "(")) args = this.args();
    else if (this.#beginsArgument()) args = { positional: [this.#postfix(this.#primary())], named: [] };
    return { kind: "test", of, name, args, negated };
  }

  #beginsArgument(): boolean {
    const { kind, value } = this.current;
    if (kind === "name") return !BEHIND_TEST.includes(value) && value !== "is";
    return kind === "string" || kind === "integer" || kind === "float" || (kind === "operator" && "[{".includes(value));
  }

  #dotted(): string {
    let name = this.expect("name").value;
    while (this.skip("operator", ".")) name += `.${this.expect("name").value}`;
    return name;
  }
}

const NO_ARGUMENTS: Arguments = { positional: [], named: [] };
