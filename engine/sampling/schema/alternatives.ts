// Schemas that hold together (allOf, $ref with its siblings) or one of which holds (anyOf, oneOf), multiplied out: lists
// of alternatives, each a list of plain schemas that all hold.

import { schemaInvalid, tooComplex } from "../language/budget.ts";
import { asSchema, checkKeywords, type Schema } from "./keywords.ts";

/** Schemas that hold together, their own references and combinations taken out of account. */
export type Together = readonly Schema[];

const MOST_ALTERNATIVES = 500;

export class Alternatives {
  readonly #root: Schema;
  readonly #checked = new WeakSet<Schema>();
  /** Refuses branches of a oneOf of which several could hold. */
  readonly #tellApart: (branches: readonly Together[][]) => void;

  constructor(root: Schema, tellApart: (branches: readonly Together[][]) => void) {
    this.#root = root;
    this.#tellApart = tellApart;
  }

  /** @throws MoloraError `schema_invalid`, or `schema_too_complex` for too many. */
  of(schemas: Together): Together[] {
    return this.#all(schemas, []);
  }

  #all(schemas: Together, within: readonly Schema[]): Together[] {
    return schemas.reduce<Together[]>((all, schema) => multiply(all, this.#one(schema, within)), [[]]);
  }

  #one(schema: Schema, within: readonly Schema[]): Together[] {
    // A schema that is itself by definition says nothing that a text could keep to.
    if (within.includes(schema)) return [];
    if (!this.#checked.has(schema)) checkKeywords(schema);
    const inner = [...within, schema];
    const { $ref, allOf, anyOf, oneOf } = schema as {
      $ref?: string;
      allOf?: unknown[];
      anyOf?: unknown[];
      oneOf?: unknown[];
    };
    let found: Together[] = [[schema]];
    if ($ref !== undefined) found = multiply(found, this.#one(this.#resolve($ref), inner));
    if (allOf !== undefined) found = multiply(found, this.#all(allOf.map(asSchema), inner));
    for (const branches of [anyOf, oneOf]) {
      if (branches === undefined) continue;
      const each = branches.map((branch) => this.#one(asSchema(branch), inner));
      if (branches === oneOf && !this.#checked.has(schema)) {
        this.#checked.add(schema); // Before it meets itself further in.
        this.#tellApart(each);
      }
      found = multiply(found, each.flat());
    }
    this.#checked.add(schema);
    return found;
  }

  #resolve(reference: string): Schema {
    const missing = () => schemaInvalid(`the reference ${JSON.stringify(reference.slice(0, 80))} leads nowhere`);
    if (reference !== "#" && !reference.startsWith("#/")) throw missing();
    let found: unknown = this.#root;
    for (const part of reference.split("/").slice(1)) {
      const key = decode(part).replaceAll("~1", "/").replaceAll("~0", "~");
      if (typeof found !== "object" || found === null || !Object.hasOwn(found, key)) throw missing();
      found = (found as Record<string, unknown>)[key];
    }
    return asSchema(found);
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function multiply(a: readonly Together[], b: readonly Together[]): Together[] {
  if (a.length * b.length > MOST_ALTERNATIVES) throw tooComplex(`it has more than ${MOST_ALTERNATIVES} alternatives`);
  return a.flatMap((left) => b.map((right) => [...new Set([...left, ...right])]));
}
