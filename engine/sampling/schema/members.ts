// What schemas that hold together say of an object's properties and of an array's items, asked one by one.

import { fitsText } from "../language/automaton.ts";
import type { Together } from "./alternatives.ts";
import { asSchema, isRecord, NOTHING, type Schema } from "./keywords.ts";
import type { Scalars } from "./scalars.ts";

export class ObjectMembers {
  readonly #together: Together;
  readonly #scalars: Scalars;
  /** Names of `properties`, then those only required, each once, in order. */
  readonly names: readonly string[];
  readonly required: ReadonlySet<string>;
  /** Sources of all `patternProperties`. */
  readonly patterns: readonly string[];
  /** Objects have no properties but those that are named: no schema says anything of others, and strictness rules. */
  readonly closed: boolean;

  constructor(together: Together, strict: boolean, scalars: Scalars) {
    const declared = together.flatMap((schema) => Object.keys(record(schema, "properties")));
    const required = together.flatMap((schema) => (schema.required as string[] | undefined) ?? []);
    const speaks = (key: string) => together.some((schema) => Object.hasOwn(schema, key));
    this.#together = together;
    this.#scalars = scalars;
    this.names = [...new Set([...declared, ...required])];
    this.required = new Set(required);
    this.patterns = [...new Set(together.flatMap((schema) => Object.keys(record(schema, "patternProperties"))))];
    const opened = speaks("additionalProperties") || together.some((schema) => schema.unevaluatedProperties === true);
    const ruled = strict && (speaks("properties") || speaks("patternProperties"));
    this.closed = together.some((schema) => schema.unevaluatedProperties === false) || (ruled && !opened);
  }

  /** What a property of this name must keep to. */
  value(name: string): Together {
    return this.#value(
      (schema) => own(record(schema, "properties"), name),
      (pattern) => fitsText(this.#scalars.pattern(pattern), name),
      this.required.has(name),
    );
  }

  /** The same for names that no schema lists, which match these patterns and no others. */
  valueOfOthers(matching: ReadonlySet<string>): Together {
    return this.#value(
      () => undefined,
      (pattern) => matching.has(pattern),
      false,
    );
  }

  #value(listed: (schema: Schema) => unknown, matches: (pattern: string) => boolean, required: boolean): Together {
    let isNamed = required;
    const all = this.#together.flatMap((schema) => {
      const patterns = record(schema, "patternProperties");
      const property = listed(schema);
      const found = [
        ...(property === undefined ? [] : [property]),
        ...Object.keys(patterns)
          .filter(matches)
          .map((pattern) => patterns[pattern]),
      ];
      isNamed ||= found.length > 0;
      if (found.length > 0) return found.map(asSchema);
      return Object.hasOwn(schema, "additionalProperties") ? [asSchema(schema.additionalProperties)] : [];
    });
    return isNamed || !this.closed ? all : [NOTHING];
  }
}

export class ArrayMembers {
  readonly #together: Together;
  readonly #strict: boolean;

  constructor(together: Together, strict: boolean) {
    this.#together = together;
    this.#strict = strict;
  }

  /** How many first items have schemas of their own. */
  get prefix(): number {
    return Math.max(0, ...this.#together.map((schema) => prefixOf(schema).length));
  }

  item(index: number): Together {
    return this.#together.flatMap((schema) => {
      const prefix = prefixOf(schema);
      if (index < prefix.length) return [asSchema(prefix[index])];
      const rest = Array.isArray(schema.items) ? schema.additionalItems : schema.items;
      if (rest !== undefined) return [asSchema(rest)];
      const closed = schema.unevaluatedItems === false || (this.#strict && prefix.length > 0);
      return closed ? [NOTHING] : [];
    });
  }

  get rest(): Together {
    return this.item(this.prefix);
  }
}

function prefixOf(schema: Schema): readonly unknown[] {
  const { prefixItems, items } = schema;
  return (prefixItems as unknown[] | undefined) ?? (Array.isArray(items) ? items : []);
}

function record(schema: Schema, key: string): Record<string, unknown> {
  const found = Object.hasOwn(schema, key) ? schema[key] : undefined;
  return isRecord(found) ? found : {};
}

function own(from: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(from, name) ? from[name] : undefined;
}
