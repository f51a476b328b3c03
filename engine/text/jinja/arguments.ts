// The arguments of what the environment has, by position and by name, as Python binds them.

import { type Given, numberOf, TemplateRuntimeError, typeName, type Value } from "./values.ts";

/** Arguments of one call, each by its name. What was not given is undefined. */
export class Bound {
  readonly #owner: string;
  readonly #values: ReadonlyMap<string, Value>;

  constructor(owner: string, values: ReadonlyMap<string, Value>) {
    this.#owner = owner;
    this.#values = values;
  }

  value(name: string): Value {
    return this.#values.get(name);
  }

  text(name: string, otherwise?: string): string {
    const value = this.value(name) ?? otherwise;
    return typeof value === "string" ? value : this.#wrong(name, "a string");
  }

  integer(name: string, otherwise?: number): number {
    const value = numberOf(this.value(name) ?? otherwise);
    return value !== undefined && Number.isInteger(value) ? value : this.#wrong(name, "an integer");
  }

  flag(name: string): boolean {
    return Boolean(this.value(name));
  }

  #wrong(name: string, wanted: string): never {
    throw new TemplateRuntimeError(
      `${this.#owner}: ${name} must be ${wanted}, not ${typeName(this.#values.get(name))}`,
    );
  }
}

/** @throws TemplateRuntimeError where more is given than `names`, or something under another name. */
export function bind(owner: string, { positional, named }: Given, names: readonly string[]): Bound {
  if (positional.length > names.length) {
    throw new TemplateRuntimeError(`${owner} takes at most ${names.length} arguments, got ${positional.length}`);
  }
  const values = new Map(positional.map((value, i): [string, Value] => [names[i]!, value]));
  for (const [name, value] of named) {
    if (!names.includes(name) || values.has(name)) throw new TemplateRuntimeError(`${owner} takes no argument ${name}`);
    values.set(name, value);
  }
  return new Bound(owner, values);
}
