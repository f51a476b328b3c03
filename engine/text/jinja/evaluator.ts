// Expressions to values.

import { attribute, item, slice } from "./attributes.ts";
import { FILTERS } from "./filters.ts";
import type { Arguments, Expression } from "./nodes.ts";
import { arithmetic, compared } from "./operators.ts";
import type { Scope } from "./scope.ts";
import { TESTS } from "./tests.ts";
import {
  asFloat,
  Callable,
  type Given,
  isDict,
  isFloat,
  isTrue,
  items,
  Namespace,
  numberOf,
  str,
  TemplateRuntimeError,
  tuple,
  typeName,
  type Value,
} from "./values.ts";

/** Steps of one rendering: a template that needs more does not end, or nobody would wait for it. */
const MOST_STEPS = 10_000_000;

/** Where a namespace that can be called keeps what is called: a recursive loop. */
export const CALLED = "()";

export class Evaluator {
  #steps = 0;

  /** Counts one step. @throws TemplateRuntimeError where there were too many. */
  step(): void {
    if (++this.#steps > MOST_STEPS) throw new TemplateRuntimeError("the template does not come to an end");
  }

  /** @throws TemplateRuntimeError */
  evaluate(node: Expression, scope: Scope): Value {
    this.step();
    switch (node.kind) {
      case "constant":
        return node.value;
      case "name":
        return scope.get(node.name);
      case "list": {
        const values = node.items.map((one) => this.evaluate(one, scope));
        return node.tuple ? tuple(...values) : values;
      }
      case "dict":
        return new Map(
          node.entries.map(([key, value]): [Value, Value] => [this.evaluate(key, scope), this.evaluate(value, scope)]),
        );
      case "attribute":
        return attribute(this.#known(node.of, scope), node.name);
      case "item":
        return item(this.#known(node.of, scope), this.evaluate(node.at, scope));
      case "slice": {
        const part = (bound: Expression | undefined) => bound && this.evaluate(bound, scope);
        return slice(this.#known(node.of, scope), part(node.from), part(node.to), part(node.step));
      }
      case "call":
        return this.call(this.#known(node.callee, scope), this.given(node.args, scope));
      case "filter":
        return this.filter(node, node.of && this.evaluate(node.of, scope), scope);
      case "test": {
        const holds = TESTS.get(node.name)!(this.evaluate(node.of, scope), this.given(node.args, scope));
        return holds !== node.negated;
      }
      case "not":
        return !isTrue(this.evaluate(node.of, scope));
      case "sign":
        return signed(node.minus, this.#known(node.of, scope));
      case "and": {
        const left = this.evaluate(node.left, scope);
        return isTrue(left) ? this.evaluate(node.right, scope) : left;
      }
      case "or": {
        const left = this.evaluate(node.left, scope);
        return isTrue(left) ? left : this.evaluate(node.right, scope);
      }
      case "binary": {
        if (node.operator === "~") {
          return arithmetic("~", this.evaluate(node.left, scope), this.evaluate(node.right, scope));
        }
        return arithmetic(node.operator, this.#known(node.left, scope), this.#known(node.right, scope));
      }
      case "compare":
        return this.#compare(node, scope);
      case "choice": {
        if (isTrue(this.evaluate(node.condition, scope))) return this.evaluate(node.value, scope);
        return node.otherwise && this.evaluate(node.otherwise, scope);
      }
    }
  }

  /** A filter, or a chain of them, on `value`. */
  filter(node: Expression & { kind: "filter" }, value: Value, scope: Scope): Value {
    return FILTERS.get(node.name)!(value, this.given(node.args, scope));
  }

  /** @throws TemplateRuntimeError where nothing can be called. */
  call(callee: Value, given: Given): Value {
    const called = callee instanceof Namespace ? callee.entries.get(CALLED) : callee;
    if (called instanceof Callable) return called.call(given);
    throw new TemplateRuntimeError(`${typeName(callee)} is not callable`);
  }

  given({ positional, named, spread, spreadNamed }: Arguments, scope: Scope): Given {
    const values = positional.map((one) => this.evaluate(one, scope));
    if (spread !== undefined) values.push(...items(this.evaluate(spread, scope)));
    const names = new Map(named.map(([name, value]): [string, Value] => [name, this.evaluate(value, scope)]));
    if (spreadNamed !== undefined) {
      const more = this.evaluate(spreadNamed, scope);
      if (!isDict(more)) throw new TemplateRuntimeError(`** takes a mapping, not ${typeName(more)}`);
      for (const [name, value] of more) {
        if (names.has(str(name))) throw new TemplateRuntimeError(`two values for the argument ${str(name)}`);
        names.set(str(name), value);
      }
    }
    return { positional: values, named: names };
  }

  #compare({ first, rest }: Expression & { kind: "compare" }, scope: Scope): boolean {
    let left = this.evaluate(first, scope);
    for (const [operator, operand] of rest) {
      const right = this.evaluate(operand, scope);
      if (!compared(operator, left, right)) return false;
      left = right;
    }
    return true;
  }

  /** @throws TemplateRuntimeError for what is undefined: it has no parts, and no operation. */
  #known(node: Expression, scope: Scope): Value {
    const value = this.evaluate(node, scope);
    if (value === undefined) throw new TemplateRuntimeError(`${described(node)} is undefined`);
    return value;
  }
}

function signed(minus: boolean, value: Value): Value {
  const number = numberOf(value);
  if (number === undefined) throw new TemplateRuntimeError(`${typeName(value)} has no sign`);
  const result = minus ? -number : number;
  return isFloat(value) ? asFloat(result) : result;
}

function described(node: Expression): string {
  if (node.kind === "name") return `'${node.name}'`;
  if (node.kind === "attribute") return `'${node.name}' of ${described(node.of)}`;
  if (node.kind === "item" && node.at.kind === "constant")
    return `${JSON.stringify(node.at.value)} of ${described(node.of)}`;
  return "a value";
}
