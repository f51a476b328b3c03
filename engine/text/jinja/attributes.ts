// What `a.b`, `a["b"]` and `a[1:2]` find: methods and entries, as Jinja's sandbox lets a template reach them.

import { bind } from "./arguments.ts";
import { STRING_METHODS } from "./strings.ts";
import {
  Callable,
  type Dict,
  equal,
  isDict,
  isList,
  items,
  Namespace,
  numberOf,
  points,
  repr,
  TemplateRuntimeError,
  Tuple,
  tuple,
  typeName,
  type Value,
} from "./values.ts";

/** `a.name`: an attribute goes before an entry of that name. */
export function attribute(of: Value, name: string): Value {
  if (of instanceof Namespace) return of.entries.get(name);
  return method(of, name) ?? (isDict(of) ? of.get(name) : undefined);
}

/** `a[at]`: an entry goes before an attribute of that name. @throws TemplateRuntimeError where there is no such thing. */
export function item(of: Value, at: Value): Value {
  if (of instanceof Namespace) return typeof at === "string" ? of.entries.get(at) : undefined;
  if (isDict(of) && of.has(at)) return of.get(at);
  const index = numberOf(at);
  if (index !== undefined && (isList(of) || typeof of === "string")) {
    return (typeof of === "string" ? points(of) : of).at(index);
  }
  return typeof at === "string" ? method(of, at) : undefined;
}

/** `a[from:to:step]` */
export function slice(of: Value, from: Value, to: Value, step: Value): Value {
  if (!isList(of) && typeof of !== "string") throw new TemplateRuntimeError(`${typeName(of)} has no slices`);
  const all = items(of);
  const by = bound(step) ?? 1;
  if (by === 0) throw new TemplateRuntimeError("slice step cannot be zero");
  const [least, most] = by > 0 ? [0, all.length] : [-1, all.length - 1];
  const place = (value: number | undefined, otherwise: number) => {
    if (value === undefined) return otherwise;
    return Math.min(most, Math.max(least, value < 0 ? value + all.length : value));
  };
  const start = place(bound(from), by > 0 ? least : most);
  const end = place(bound(to), by > 0 ? most : least);
  const found: Value[] = [];
  for (let at = start; by > 0 ? at < end : at > end; at += by) found.push(all[at]);
  if (typeof of === "string") return found.join("");
  return of instanceof Tuple ? tuple(...found) : found;
}

function bound(value: Value): number | undefined {
  if (value === undefined || value === null) return undefined;
  const number = numberOf(value);
  if (number !== undefined && Number.isInteger(number)) return number;
  throw new TemplateRuntimeError("slice indices must be integers");
}

/** Only those that change nothing: the sandbox refuses the others. */
export function method(of: Value, name: string): Value {
  if (typeof of === "string") {
    const called = STRING_METHODS.get(name);
    return called && new Callable(name, (given) => called(of, given));
  }
  if (isDict(of)) return dictMethod(of, name);
  return isList(of) ? listMethod(of, name) : undefined;
}

function dictMethod(of: Dict, name: string): Value {
  switch (name) {
    case "get":
      return new Callable(name, (given) => {
        const args = bind(name, given, ["key", "default"]);
        const found = of.get(args.value("key"));
        return found === undefined ? (args.value("default") ?? null) : found;
      });
    case "items":
      return new Callable(name, () => entries(of));
    case "keys":
      return new Callable(name, () => [...of.keys()]);
    case "values":
      return new Callable(name, () => [...of.values()]);
    case "copy":
      return new Callable(name, () => new Map(of));
  }
  return undefined;
}

function listMethod(of: readonly Value[], name: string): Value {
  switch (name) {
    case "index":
      return new Callable(name, ({ positional }) => {
        const at = of.findIndex((one) => equal(one, positional[0]));
        if (at === -1) throw new TemplateRuntimeError(`${repr(positional[0])} is not in list`);
        return at;
      });
    case "count":
      return new Callable(name, ({ positional }) => of.filter((one) => equal(one, positional[0])).length);
    case "copy":
      return new Callable(name, () => [...of]);
  }
  return undefined;
}

/** A dict's pairs. */
export function entries(of: Dict): Value[] {
  return [...of].map(([key, value]) => tuple(key, value));
}

/**
 * What a path such as `function.name` or `0` finds, as filters take it; `otherwise` where a part is not there.
 *
 * @throws TemplateRuntimeError for parts of what is not there.
 */
export function atPath(of: Value, path: Value, otherwise?: Value): Value {
  if (typeof path === "number") return item(of, path) ?? otherwise;
  if (typeof path !== "string") throw new TemplateRuntimeError(`an attribute's name is no ${typeName(path)}`);
  return path.split(".").reduce<Value>((found, part) => {
    if (found === undefined) throw new TemplateRuntimeError(`${path}: nothing has '${part}'`);
    const value = item(found, /^\d+$/.test(part) ? Number(part) : part);
    return value === undefined ? (otherwise ?? undefined) : value;
  }, of);
}
