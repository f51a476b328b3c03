// Parts of a grammar that no text fits, taken out: whoever writes along what is left never gets stuck.

import { isEmpty } from "../language/automaton.ts";
import { countTexts } from "../language/combine.ts";
import type { ArrayNode, Grammar, GrammarNode, ObjectNode } from "./nodes.ts";

/** Undefined where nothing is left. */
export function fruitful({ nodes, root }: Grammar): Grammar | undefined {
  const good = new Uint8Array(nodes.length);
  for (let changed = true; changed; ) {
    changed = false;
    // Parts stand behind their wholes mostly.
    for (let i = nodes.length - 1; i >= 0; i--) {
      if (good[i] === 1 || !isFruitful(nodes[i], (part) => good[part] === 1)) continue;
      good[i] = 1;
      changed = true;
    }
  }
  if (good[root] === 0) return undefined;
  return { nodes: nodes.map((node) => pruned(node, (part) => good[part] === 1)), root };
}

type Good = (part: number) => boolean;

function isFruitful(node: GrammarNode, good: Good): boolean {
  switch (node.kind) {
    case "literal":
      return true;
    case "string":
    case "text":
      return !isEmpty(node.automaton);
    case "choice":
      return node.of.some(good);
    case "sequence":
      return node.parts.every(good);
    case "array":
      return node.min <= mostItems(node, good);
    case "object":
      return objectIsFruitful(node, good);
  }
}

function mostItems({ prefix, items, max }: ArrayNode, good: Good): number {
  const bad = prefix.findIndex((part) => !good(part));
  if (bad !== -1) return Math.min(max, bad);
  return items !== undefined && good(items) ? max : Math.min(max, prefix.length);
}

function objectIsFruitful({ properties, others, min, max }: ObjectNode, good: Good): boolean {
  const required = properties.filter((property) => property.required);
  if (required.length > max || min > max || !required.every(({ value }) => good(value))) return false;
  const listed = properties.filter(({ value }) => good(value)).length;
  return listed + most(others, good) >= min;
}

function most(others: ObjectNode["others"], good: Good): number {
  return others
    .filter(({ value, names }) => good(value) && !isEmpty(names))
    .reduce((sum, { names }) => {
      if (names.kind === "count") return names.max === 0 ? sum + 1 : Number.POSITIVE_INFINITY;
      return sum + countTexts(names)[0];
    }, 0);
}

function pruned(node: GrammarNode, good: Good): GrammarNode {
  switch (node.kind) {
    case "choice":
      return { ...node, of: node.of.filter(good) };
    case "array": {
      const max = mostItems(node, good);
      const items = node.items !== undefined && good(node.items) ? node.items : undefined;
      return { ...node, prefix: node.prefix.slice(0, max), items, max };
    }
    case "object":
      return {
        ...node,
        properties: node.properties.filter(({ value }) => good(value)),
        others: node.others.filter(({ value, names }) => good(value) && !isEmpty(names)),
      };
    default:
      return node;
  }
}
