// A schema's pattern as an automaton. Lookaheads right after the beginning are held to as further patterns of the whole.

import type { Automaton } from "./automaton.ts";
import { type Budget, schemaInvalid } from "./budget.ts";
import { both, not } from "./combine.ts";
import { Nfa } from "./nfa.ts";
import { type PatternNode, parsePattern } from "./pattern_parse.ts";

/** @throws MoloraError `schema_invalid` for a pattern that cannot be held to, `schema_too_complex` for one of too many states. */
export function patternAutomaton(source: string, budget: Budget): Automaton {
  const tree = parsePattern(source);
  const parts = tree.kind === "sequence" ? tree.parts : [tree];
  const isTied = parts[0]?.kind === "edge" && parts[0].edge === "begin";
  const plain = parts.findIndex((part, i) => i > 0 && part.kind !== "look");
  const rest = isTied ? [parts[0], ...parts.slice(plain === -1 ? parts.length : plain)] : parts;
  if (rest.some(looksAhead)) {
    throw schemaInvalid(
      `the pattern ${JSON.stringify(source.slice(0, 80))} has a lookahead that does not come right after the ^ at its beginning`,
    );
  }
  let whole: Automaton = Nfa.searching({ kind: "sequence", parts: rest }, budget);
  for (const look of isTied ? parts.slice(1, plain === -1 ? parts.length : plain) : []) {
    if (look.kind !== "look") continue;
    if (looksAhead(look.part)) throw schemaInvalid("a pattern has a lookahead within a lookahead");
    const ahead = Nfa.searching({ kind: "sequence", parts: [{ kind: "edge", edge: "begin" }, look.part] }, budget);
    whole = both(whole, look.negative ? not(ahead, budget) : ahead, budget);
  }
  return whole;
}

function looksAhead(node: PatternNode): boolean {
  switch (node.kind) {
    case "look":
      return true;
    case "sequence":
      return node.parts.some(looksAhead);
    case "choice":
      return node.of.some(looksAhead);
    case "repeat":
      return looksAhead(node.part);
    default:
      return false;
  }
}
