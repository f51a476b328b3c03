// A template's statements to text.

import { CALLED, Evaluator } from "./evaluator.ts";
import type { Body, Expression, Parameter, Statement, Target } from "./nodes.ts";
import { Scope } from "./scope.ts";
import {
  Callable,
  equal,
  type Given,
  isTrue,
  items,
  Namespace,
  str,
  TemplateRuntimeError,
  tuple,
  typeName,
  type Value,
} from "./values.ts";

/** What a statement may do to the loop around it. */
type Jump = "break" | "continue" | undefined;

type Loop = Statement & { kind: "for" };

export class Interpreter {
  readonly #evaluator = new Evaluator();

  /** @throws TemplateRuntimeError, or what a function of the environment throws. */
  render(body: Body, scope: Scope): string {
    const out: string[] = [];
    this.#run(body, scope, out);
    return out.join("");
  }

  #run(body: Body, scope: Scope, out: string[]): Jump {
    for (const statement of body) {
      const jump = this.#statement(statement, scope, out);
      if (jump !== undefined) return jump;
    }
    return undefined;
  }

  #statement(node: Statement, scope: Scope, out: string[]): Jump {
    this.#evaluator.step();
    switch (node.kind) {
      case "text":
        out.push(node.text);
        return undefined;
      case "output":
        out.push(str(this.#value(node.of, scope)));
        return undefined;
      case "if": {
        const taken = node.branches.find(({ condition }) => isTrue(this.#value(condition, scope)));
        return this.#run(taken?.body ?? node.otherwise, scope, out);
      }
      case "for":
        this.#for(node, this.#value(node.of, scope), scope, out, 1);
        return undefined;
      case "break":
      case "continue":
        return node.kind;
      case "set":
        assign(node.target, this.#value(node.value, scope), scope);
        return undefined;
      case "capture": {
        const text = this.render(node.body, new Scope(scope));
        assign(node.target, node.filter === undefined ? text : this.#filtered(node.filter, text, scope), scope);
        return undefined;
      }
      case "macro":
        scope.set(node.name, this.#macro(node.name, node.parameters, node.body, scope));
        return undefined;
      case "callBlock": {
        const caller = this.#macro("caller", node.parameters, node.body, scope);
        const { positional, named } = this.#evaluator.given(node.call.args, scope);
        const given = { positional, named: new Map([...named, ["caller", caller]]) };
        out.push(str(this.#evaluator.call(this.#value(node.call.callee, scope), given)));
        return undefined;
      }
      case "filterBlock":
        out.push(str(this.#filtered(node.filter, this.render(node.body, new Scope(scope)), scope)));
        return undefined;
      case "with": {
        const inner = new Scope(scope);
        for (const [target, value] of node.bindings) assign(target, this.#value(value, scope), inner);
        return this.#run(node.body, inner, out);
      }
      case "generation":
        return this.#run(node.body, new Scope(scope), out);
    }
  }

  #value(node: Expression, scope: Scope): Value {
    return this.#evaluator.evaluate(node, scope);
  }

  #filtered(node: Expression, text: string, scope: Scope): Value {
    if (node.kind !== "filter") throw new TemplateRuntimeError("a block is put through filters only");
    const value = node.of === undefined ? text : this.#filtered(node.of, text, scope);
    return this.#evaluator.filter(node, value, scope);
  }

  #for(node: Loop, of: Value, scope: Scope, out: string[], depth: number): void {
    const all = items(of).filter((item) => {
      this.#evaluator.step();
      if (node.condition === undefined) return true;
      const tried = new Scope(scope);
      assign(node.target, item, tried);
      return isTrue(this.#value(node.condition, tried));
    });
    if (all.length === 0) {
      this.#run(node.otherwise, new Scope(scope), out);
      return;
    }
    const changed: { last: Value } = { last: undefined };
    for (const [i, item] of all.entries()) {
      const inner = new Scope(scope);
      inner.set("loop", this.#loopState(node, all, i, scope, depth, changed));
      assign(node.target, item, inner);
      if (this.#run(node.body, inner, out) === "break") return;
    }
  }

  #loopState(
    node: Loop,
    all: readonly Value[],
    i: number,
    scope: Scope,
    depth: number,
    changed: { last: Value },
  ): Namespace {
    const state = new Map<string, Value>([
      ["index", i + 1],
      ["index0", i],
      ["revindex", all.length - i],
      ["revindex0", all.length - i - 1],
      ["first", i === 0],
      ["last", i === all.length - 1],
      ["length", all.length],
      ["previtem", all[i - 1]],
      ["nextitem", all[i + 1]],
      ["depth", depth],
      ["depth0", depth - 1],
      ["cycle", new Callable("cycle", ({ positional }) => positional[i % positional.length])],
      [
        "changed",
        new Callable("changed", ({ positional }) => {
          const same = changed.last !== undefined && equal(changed.last, positional);
          changed.last = positional;
          return !same;
        }),
      ],
    ]);
    if (node.recursive) {
      const again = ({ positional }: Given) => {
        const out: string[] = [];
        this.#for(node, positional[0], scope, out, depth + 1);
        return out.join("");
      };
      state.set(CALLED, new Callable("loop", again));
    }
    return new Namespace(state);
  }

  /** Sees the names around where it stands, as they are when it is called. */
  #macro(name: string, parameters: readonly Parameter[], body: Body, around: Scope): Callable {
    return new Callable(name, ({ positional, named }) => {
      const scope = new Scope(around);
      const rest = new Map<Value, Value>(named);
      rest.delete("caller");
      // All are bound before a default is evaluated, so that none is looked for outside.
      for (const [i, parameter] of parameters.entries()) {
        const value = i < positional.length ? positional[i] : named.get(parameter.name);
        scope.set(parameter.name, value);
        rest.delete(parameter.name);
      }
      for (const [i, { name: own, otherwise }] of parameters.entries()) {
        const given = i < positional.length || named.has(own);
        if (!given && otherwise !== undefined) scope.set(own, this.#value(otherwise, scope));
      }
      if (!parameters.some(({ name: own }) => own === "caller")) scope.set("caller", named.get("caller"));
      scope.set("varargs", tuple(...positional.slice(parameters.length)));
      scope.set("kwargs", rest);
      return this.render(body, scope);
    });
  }
}

/** @throws TemplateRuntimeError where a value has not as many parts as there are names, or is no namespace. */
function assign(target: Target, value: Value, scope: Scope): void {
  if (target.kind === "name") {
    scope.set(target.name, value);
  } else if (target.kind === "several") {
    const parts = items(value);
    if (parts.length !== target.targets.length) {
      throw new TemplateRuntimeError(`${parts.length} values for ${target.targets.length} names`);
    }
    for (const [i, one] of target.targets.entries()) assign(one, parts[i], scope);
  } else {
    const namespace = scope.get(target.of);
    if (!(namespace instanceof Namespace)) {
      throw new TemplateRuntimeError(`${target.of}.${target.name} is set, and ${target.of} is ${typeName(namespace)}`);
    }
    namespace.entries.set(target.name, value);
  }
}
