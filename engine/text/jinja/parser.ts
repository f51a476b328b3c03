// A template's source as its tree: Jinja's statements, those of its loop controls, and transformers' `generation`.

import { Expressions } from "./expressions.ts";
import { tokenize } from "./lexer.ts";
import type { Body, Expression, Parameter, Statement, Target } from "./nodes.ts";

/** Blocks within blocks: deeper ones are damage, and would exhaust the stack. */
const DEEPEST = 100;

/** @throws TemplateSyntaxError */
export function parseTemplate(source: string): Body {
  return new Parser(source).template();
}

class Parser {
  readonly #expressions: Expressions;
  #loops = 0;
  #depth = 0;

  constructor(source: string) {
    this.#expressions = new Expressions(tokenize(source));
  }

  template(): Body {
    const body = this.#body([]);
    this.#expressions.expect("eof");
    return body;
  }

  /** Up to a tag that begins with one of `ends`, whose name is the next token then. */
  #body(ends: readonly string[]): Body {
    const on = this.#expressions;
    const body: Statement[] = [];
    if (++this.#depth > DEEPEST) throw on.wrong("blocks are nested too deep");
    for (;;) {
      if (on.is("text")) body.push({ kind: "text", text: on.next().value });
      else if (on.skip("begin", "{{")) {
        body.push({ kind: "output", of: on.sequence() });
        on.expect("end", "}}");
      } else if (on.is("begin", "{%")) {
        if (ends.some((end) => on.is("name", end, 1))) {
          on.next();
          break;
        }
        on.next();
        body.push(this.#statement());
      } else break;
    }
    this.#depth--;
    return body;
  }

  /** The body of a block, and its end tag. */
  #block(end: string): Body {
    this.#expressions.expect("end", "%}");
    const body = this.#body([end]);
    this.#close(end);
    return body;
  }

  #close(end: string): void {
    const on = this.#expressions;
    if (!on.is("name", end)) throw on.wrong(`${end} is missing`);
    on.next();
    on.expect("end", "%}");
  }

  #statement(): Statement {
    const on = this.#expressions;
    const name = on.expect("name").value;
    switch (name) {
      case "if":
        return this.#if();
      case "for":
        return this.#for();
      case "break":
      case "continue":
        if (this.#loops === 0) throw on.wrong(`${name} outside of a loop`);
        on.expect("end", "%}");
        return { kind: name };
      case "set":
        return this.#set();
      case "macro": {
        const macro = on.expect("name").value;
        const parameters = this.#parameters();
        return { kind: "macro", name: macro, parameters, body: this.#outsideLoops(() => this.#block("endmacro")) };
      }
      case "call":
        return this.#call();
      case "filter": {
        const filter = this.#filters();
        return { kind: "filterBlock", filter, body: this.#block("endfilter") };
      }
      case "with":
        return this.#with();
      case "generation":
        return { kind: "generation", body: this.#block("endgeneration") };
    }
    throw on.wrong(`unknown statement ${name}`);
  }

  #if(): Statement {
    const on = this.#expressions;
    const branches: { condition: Expression; body: Body }[] = [];
    let otherwise: Body = [];
    do {
      const condition = on.sequence(true);
      on.expect("end", "%}");
      branches.push({ condition, body: this.#body(["elif", "else", "endif"]) });
    } while (on.skip("name", "elif"));
    if (on.skip("name", "else")) {
      on.expect("end", "%}");
      otherwise = this.#body(["endif"]);
    }
    this.#close("endif");
    return { kind: "if", branches, otherwise };
  }

  #for(): Statement {
    const on = this.#expressions;
    const target = this.#target();
    on.expect("name", "in");
    const of = on.sequence(false);
    const condition = on.skip("name", "if") ? on.expression() : undefined;
    const recursive = on.skip("name", "recursive");
    on.expect("end", "%}");
    this.#loops++;
    const body = this.#body(["else", "endfor"]);
    this.#loops--;
    let otherwise: Body = [];
    if (on.skip("name", "else")) {
      on.expect("end", "%}");
      otherwise = this.#body(["endfor"]);
    }
    this.#close("endfor");
    return { kind: "for", target, of, condition, recursive, body, otherwise };
  }

  #set(): Statement {
    const on = this.#expressions;
    const target = this.#target();
    if (on.skip("operator", "=")) {
      const value = on.sequence();
      on.expect("end", "%}");
      return { kind: "set", target, value };
    }
    const filter = on.skip("operator", "|") ? this.#filters() : undefined;
    return { kind: "capture", target, filter, body: this.#block("endset") };
  }

  #call(): Statement {
    const on = this.#expressions;
    const parameters = on.is("operator", "(") ? this.#parameters() : [];
    const call = on.expression();
    if (call.kind !== "call") throw on.wrong("a call block calls no macro");
    return { kind: "callBlock", call, parameters, body: this.#outsideLoops(() => this.#block("endcall")) };
  }

  #with(): Statement {
    const on = this.#expressions;
    const bindings: [Target, Expression][] = [];
    while (!on.is("end")) {
      if (bindings.length > 0) on.expect("operator", ",");
      const target = this.#oneTarget();
      on.expect("operator", "=");
      bindings.push([target, on.expression()]);
    }
    return { kind: "with", bindings, body: this.#block("endwith") };
  }

  #filters(): Expression {
    const on = this.#expressions;
    let filter = on.filter(undefined);
    while (on.skip("operator", "|")) filter = on.filter(filter);
    return filter;
  }

  #parameters(): Parameter[] {
    const on = this.#expressions;
    const parameters: Parameter[] = [];
    on.expect("operator", "(");
    while (!on.is("operator", ")")) {
      if (parameters.length > 0) on.expect("operator", ",");
      const name = on.expect("name").value;
      const otherwise = on.skip("operator", "=") ? on.expression() : undefined;
      if (otherwise === undefined && parameters.at(-1)?.otherwise !== undefined) {
        throw on.wrong(`the parameter ${name} needs a default, as the one before has`);
      }
      parameters.push({ name, otherwise });
    }
    on.next();
    return parameters;
  }

  #target(): Target {
    const on = this.#expressions;
    const targets = [this.#oneTarget()];
    while (on.skip("operator", ",")) {
      if (on.is("name", "in") || on.is("operator", "=")) break;
      targets.push(this.#oneTarget());
    }
    return targets.length === 1 ? targets[0]! : { kind: "several", targets };
  }

  #oneTarget(): Target {
    const on = this.#expressions;
    if (on.skip("operator", "(")) {
      const target = this.#target();
      on.expect("operator", ")");
      return target;
    }
    const name = on.expect("name").value;
    if (on.skip("operator", ".")) return { kind: "attribute", of: name, name: on.expect("name").value };
    return { kind: "name", name };
  }

  /** A macro's body is none of the loop's it stands in. */
  #outsideLoops<T>(parse: () => T): T {
    const loops = this.#loops;
    this.#loops = 0;
    const found = parse();
    this.#loops = loops;
    return found;
  }
}
