// States of an automaton that the next few characters cannot tell apart: far from its end, one place in a counted repetition
// is like the next. What may follow is worked out once for all of them.

import { type Automaton, edgesOf, NEAR } from "./automaton.ts";
import type { Budget } from "./budget.ts";

/** Smaller ones gain nothing; in larger ones finding out takes longer than it saves. */
const LEAST_STATES = 48;
const MOST_STATES = 5000;

/** The automaton with its `alike`, where that pays: Moore's partition, refined so often as a token has characters. */
export function withAlike(automaton: Automaton, budget: Budget): Automaton {
  if (automaton.kind === "count" || automaton.alike !== undefined) return automaton;
  const { accepts } = automaton;
  const count = accepts.length;
  if (count < LEAST_STATES || count > MOST_STATES) return automaton;
  budget.spend(automaton.edges.length / 3);
  const shapes = Array.from({ length: count }, (_, q) => shapeOf(automaton, q));
  const named = new Map<string, number>();
  let classes = Int32Array.from(accepts, (ends, q) => numbered(named, `${ends} ${shapes[q].ranges}`));
  let known = named.size;
  for (let round = 0; round < NEAR; round++) {
    budget.spend(shapes.reduce((sum, { targets }) => sum + targets.length, count));
    const names = new Map<string, number>();
    classes = classes.map((own, q) =>
      numbered(names, `${own} ${shapes[q].targets.map((target) => classes[target]).join(" ")}`),
    );
    if (names.size === known) break;
    known = names.size;
  }
  const first = new Map<number, number>();
  const alike = classes.map((own, q) => {
    const found = first.get(own) ?? q;
    first.set(own, found);
    return found;
  });
  return { ...automaton, alike };
}

/** Which ranges of characters lead to which of a state's targets, by their order, and the targets. */
function shapeOf(automaton: Automaton, state: number): { ranges: string; targets: number[] } {
  const places = new Map<number, number>();
  let ranges = "";
  for (const [from, to, target] of edgesOf(automaton, state)) {
    const place = places.get(target) ?? places.size;
    places.set(target, place);
    ranges += `${from} ${to} ${place} `;
  }
  return { ranges, targets: [...places.keys()] };
}

function numbered(names: Map<string, number>, name: string): number {
  const found = names.get(name) ?? names.size;
  names.set(name, found);
  return found;
}
