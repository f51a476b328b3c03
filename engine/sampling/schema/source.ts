// The language a text is held to, as a request asks for it, and its compilation. Runs in a thread of its own.

import { Budget, schemaInvalid } from "../language/budget.ts";
import { SchemaCompiler } from "./compile.ts";
import { fruitful } from "./fruitful.ts";
import { asSchema } from "./keywords.ts";
import type { Grammar, GrammarNode } from "./nodes.ts";

/** One of several JSON values, each between two given texts, all of it between two more. */
export interface GrammarSource {
  options: { before: string; schema: Record<string, unknown>; after: string }[];
  /** Objects have the properties the schema names and no others. */
  strict: boolean;
  before: string;
  after: string;
}

/**
 * @throws MoloraError `schema_invalid` where the schema is none, holds what cannot be kept to, or nothing fits it;
 * `schema_too_complex` where it takes too much.
 */
export function compileSource({ options, strict, before, after }: GrammarSource): Grammar {
  const budget = new Budget();
  const nodes: GrammarNode[] = [];
  const add = (node: GrammarNode) => nodes.push(node) - 1;
  const literal = (text: string) => (text === "" ? [] : [add({ kind: "literal", text })]);
  const each = options.map((option) => {
    const root = asSchema(option.schema);
    const value = new SchemaCompiler(nodes, root, strict, budget).value([root]);
    return add({ kind: "sequence", parts: [...literal(option.before), value, ...literal(option.after)] });
  });
  const choice = add({ kind: "choice", of: each });
  const root = add({ kind: "sequence", parts: [...literal(before), choice, ...literal(after)] });
  const grammar = fruitful({ nodes, root });
  if (grammar === undefined) throw schemaInvalid("nothing fits it");
  return grammar;
}
