// A JSON object read field by field, for files written by others: each complaint names the file and the field.
// The caller gives the code of its errors.

import { type ErrorCode, MoloraError } from "../proto/errors.ts";
import { type ByteSource, readText } from "./source.ts";

/** An object whose fields are asked for by name and type. `null` counts as absent, as Python writes None. */
export class Fields {
  /** File and path of the object, for messages: "adapter_config.json: router". */
  readonly where: string;
  readonly #object: Record<string, unknown>;
  readonly #code: ErrorCode;

  constructor(value: unknown, where: string, code: ErrorCode) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new MoloraError(code, `${where}: an object is expected, not ${describe(value)}`);
    }
    this.where = where;
    this.#object = value as Record<string, unknown>;
    this.#code = code;
  }

  /** Parses a whole JSON file of at most `limit` bytes; `code` is raised by it and by every field read from it. */
  static async read(source: ByteSource, limit: number, code: ErrorCode): Promise<Fields> {
    const text = await readText(source, limit);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw new MoloraError(code, `${source.name} is not JSON: ${(cause as Error).message}`, { cause });
    }
    return new Fields(value, source.name, code);
  }

  names(): string[] {
    return Object.keys(this.#object);
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined;
  }

  /** The field as it is, or undefined where it is absent or null. */
  raw(name: string): unknown {
    return Object.hasOwn(this.#object, name) ? (this.#object[name] ?? undefined) : undefined;
  }

  string(name: string): string {
    const value = this.raw(name);
    return typeof value === "string" ? value : this.fail(name, "a string");
  }

  boolean(name: string): boolean {
    const value = this.raw(name);
    return typeof value === "boolean" ? value : this.fail(name, "true or false");
  }

  number(name: string): number {
    const value = this.raw(name);
    return typeof value === "number" && Number.isFinite(value) ? value : this.fail(name, "a finite number");
  }

  integer(name: string, least: number, most: number): number {
    const value = this.raw(name);
    if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
    return this.fail(name, `an integer from ${least} to ${most}`);
  }

  oneOf<T extends string>(name: string, options: readonly T[]): T {
    const value = this.raw(name);
    return options.find((option) => option === value) ?? this.fail(name, options.map((o) => `"${o}"`).join(" or "));
  }

  array(name: string): unknown[] {
    const value = this.raw(name);
    return Array.isArray(value) ? value : this.fail(name, "a list");
  }

  object(name: string): Fields {
    return new Fields(this.raw(name), `${this.where}: ${name}`, this.#code);
  }

  /** Each element of a list of at most `most`, as an object of its own. */
  objects(name: string, most = Number.POSITIVE_INFINITY): Fields[] {
    const list = this.array(name);
    if (list.length > most) this.fail(name, `a list of at most ${most}`);
    return list.map((value, i) => new Fields(value, `${this.where}: ${name}[${i}]`, this.#code));
  }

  /** Refuses fields that are not among `names`. */
  only(names: readonly string[]): void {
    const unknown = this.names().filter((name) => !names.includes(name));
    if (unknown.length === 0) return;
    throw new MoloraError(this.#code, `${this.where}: unknown field "${unknown[0]}"`, {
      remedy: `Known here: ${names.join(", ")}.`,
      details: { unknown },
    });
  }

  /** @throws MoloraError that field `name` should have been `expected`. */
  fail(name: string, expected: string): never {
    throw new MoloraError(
      this.#code,
      `${this.where}: "${name}" must be ${expected}, it is ${describe(this.raw(name))}`,
      {
        details: { field: name },
      },
    );
  }
}

/** Short, and never by way of a long or deep value's whole text. */
function describe(value: unknown): string {
  if (value === undefined) return "absent";
  if (typeof value === "string") return shortened(JSON.stringify(value.slice(0, 60)));
  if (typeof value !== "object" || value === null) return shortened(String(JSON.stringify(value)));
  const items = Object.values(value);
  const isShort = items.length <= 8 && items.every((item) => typeof item !== "object" && String(item).length <= 60);
  if (isShort) return shortened(JSON.stringify(value));
  return Array.isArray(value) ? `a list of ${value.length}` : "an object";
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
