// Chat templates as transformers renders them: Jinja, its loop controls, and transformers' own functions, filter and tag.
// What a template cannot reach is as with them: nothing that it is given changes, and there is nothing else.

import { bind } from "./arguments.ts";
import { Interpreter } from "./interpreter.ts";
import type { Body } from "./nodes.ts";
import { parseTemplate } from "./parser.ts";
import { Scope } from "./scope.ts";
import { strftime } from "./strftime.ts";
import {
  Callable,
  type Given,
  isDict,
  items,
  Namespace,
  numberOf,
  str,
  TemplateRuntimeError,
  toValue,
  type Value,
} from "./values.ts";

/** A template's own refusal: what it gave `raise_exception`. */
export class RaisedByTemplate extends Error {}

/** As many numbers as Jinja's sandbox lets a range have. */
const LONGEST_RANGE = 100_000;

export class Template {
  readonly #body: Body;

  /** @throws TemplateSyntaxError for what does not parse, and for a filter, test or statement that there is not. */
  constructor(source: string) {
    this.#body = parseTemplate(source);
  }

  /**
   * `variables` are JSON; one that is undefined is not there. `now` is the time that `strftime_now` writes.
   *
   * @throws RaisedByTemplate, TemplateRuntimeError
   */
  render(variables: Readonly<Record<string, unknown>>, now = new Date()): string {
    const scope = new Scope(environment(now));
    for (const [name, value] of Object.entries(variables)) scope.set(name, toValue(value));
    return new Interpreter().render(this.#body, scope);
  }
}

function environment(now: Date): Scope {
  const scope = new Scope();
  const define = (name: string, call: (given: Given) => Value) => scope.set(name, new Callable(name, call));
  define("raise_exception", ({ positional }) => {
    throw new RaisedByTemplate(str(positional[0]));
  });
  define("strftime_now", (given) => strftime(now, bind("strftime_now", given, ["format"]).text("format")));
  define("range", ({ positional }) => range(positional.map((value) => numberOf(value) ?? Number.NaN)));
  define("namespace", (given) => new Namespace(new Map(pairs(given).map(([key, value]) => [String(key), value]))));
  define("dict", (given) => new Map(pairs(given)));
  return scope;
}

function pairs({ positional, named }: Given): [Value, Value][] {
  const [first = new Map()] = positional;
  const own = isDict(first) ? [...first] : items(first).map((pair) => items(pair));
  return [...own.map(([key, value]): [Value, Value] => [key, value]), ...named];
}

function range(bounds: readonly number[]): Value {
  const [start, stop, step] = bounds.length === 1 ? [0, bounds[0]!, 1] : [bounds[0]!, bounds[1]!, bounds[2] ?? 1];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (step === 0 || ![start, stop, step].every(Number.isInteger)) {
    throw new TemplateRuntimeError(`range of ${bounds.join(", ")}`);
  }
  if (length > LONGEST_RANGE) throw new TemplateRuntimeError(`range has more than ${LONGEST_RANGE} numbers`);
  return Array.from({ length }, (_, i) => start + i * step);
}
