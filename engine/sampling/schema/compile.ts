// A JSON schema as a grammar: which texts are JSON that keeps to it. What cannot be kept to is refused by name.

import { withAlike } from "../language/alike.ts";
import { type Budget, tooComplex } from "../language/budget.ts";
import { words } from "../language/combine.ts";
import { Alternatives, type Together } from "./alternatives.ts";
import { constantsOf } from "./constants.ts";
import { asSchema, type Schema } from "./keywords.ts";
import { ArrayMembers, ObjectMembers } from "./members.ts";
import { propertyGroups } from "./names.ts";
import type { GrammarNode } from "./nodes.ts";
import { least, most, Scalars } from "./scalars.ts";
import { TellApart } from "./tell_apart.ts";
import { typesOf, type ValueType } from "./types.ts";

const DEEPEST = 256;
const MOST_NODES = 50_000;
/** More constants than these are one automaton. */
const FEW_CONSTANTS = 8;

export class SchemaCompiler {
  readonly #nodes: GrammarNode[];
  readonly #budget: Budget;
  readonly #strict: boolean;
  readonly #scalars: Scalars;
  readonly #alternatives: Alternatives;
  readonly #ids = new Map<Schema, number>();
  readonly #known = new Map<string, number>();
  #depth = 0;

  /** Nodes are added to `nodes`. `strict`: objects have the properties the schema names and no others. */
  constructor(nodes: GrammarNode[], root: Schema, strict: boolean, budget: Budget) {
    this.#nodes = nodes;
    this.#budget = budget;
    this.#strict = strict;
    this.#scalars = new Scalars(budget);
    const apart = new TellApart(this.#scalars, budget, strict, () => this.#alternatives);
    this.#alternatives = new Alternatives(root, (branches) => apart.check(branches));
  }

  /** The node of a value that keeps to all of these. */
  value(schemas: Together): number {
    // Schemas that say nothing of values do not make a node of its own.
    const together = schemas.filter((schema) => Object.keys(schema).length > 0);
    const key = together
      .map((schema) => this.#id(schema))
      .sort((a, b) => a - b)
      .join(",");
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#budget.spend(1000);
    if (++this.#depth > DEEPEST) throw tooComplex(`it is nested deeper than ${DEEPEST}`);
    const choice: number[] = [];
    // Known before its parts are: they may be of its own kind again.
    const index = this.#add({ kind: "choice", of: choice });
    this.#known.set(key, index);
    for (const alternative of this.#alternatives.of(together)) choice.push(...this.#alternative(alternative));
    this.#depth--;
    return index;
  }

  #add(node: GrammarNode): number {
    if (this.#nodes.length >= MOST_NODES) throw tooComplex(`it has more than ${MOST_NODES} parts`);
    return this.#nodes.push(node) - 1;
  }

  #id(schema: Schema): number {
    const id = this.#ids.get(schema) ?? this.#ids.size;
    this.#ids.set(schema, id);
    return id;
  }

  #alternative(together: Together): number[] {
    const constants = constantsOf(together, this.#scalars);
    if (constants !== undefined) return this.#constants(constants.map((value) => JSON.stringify(value)));
    const { types, integer } = typesOf(together);
    return types.flatMap((type) => this.#typed(type, together, integer));
  }

  #constants(texts: readonly string[]): number[] {
    if (texts.length <= FEW_CONSTANTS) return texts.map((text) => this.#add({ kind: "literal", text }));
    return [this.#add({ kind: "text", automaton: words(texts, this.#budget) })];
  }

  #typed(type: ValueType, together: Together, integer: boolean): number[] {
    switch (type) {
      case "null":
        return this.#constants(["null"]);
      case "boolean":
        return this.#constants(["true", "false"]);
      case "string":
        return [this.#add({ kind: "string", automaton: withAlike(this.#scalars.string(together), this.#budget) })];
      case "number":
        return [this.#add({ kind: "text", automaton: this.#scalars.number(together, integer) })];
      case "array":
        return [this.#array(together)];
      case "object":
        return [this.#object(together)];
    }
  }

  #array(together: Together): number {
    const members = new ArrayMembers(together, this.#strict);
    const prefix = Array.from({ length: members.prefix }, (_, i) => this.value(members.item(i)));
    return this.#add({
      kind: "array",
      prefix,
      items: this.value(members.rest),
      min: most(together, "minItems") ?? 0,
      max: least(together, "maxItems") ?? Number.POSITIVE_INFINITY,
    });
  }

  #object(together: Together): number {
    const members = new ObjectMembers(together, this.#strict, this.#scalars);
    const limits = together.flatMap(({ propertyNames }) =>
      propertyNames === undefined ? [] : [this.#alternatives.of([asSchema(propertyNames)])],
    );
    const groups = propertyGroups(members, limits, this.#scalars, this.#budget);
    if (groups === undefined) return this.#add({ kind: "choice", of: [] });
    const { listed, others } = groups;
    return this.#add({
      kind: "object",
      properties: listed.map((name) => ({
        name,
        value: this.value(members.value(name)),
        required: members.required.has(name),
      })),
      others: others.map(({ names, matching }) => ({
        names: withAlike(names, this.#budget),
        value: this.value(members.valueOfOthers(matching)),
      })),
      min: most(together, "minProperties") ?? 0,
      max: least(together, "maxProperties") ?? Number.POSITIVE_INFINITY,
    });
  }
}
