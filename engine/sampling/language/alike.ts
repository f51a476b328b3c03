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
  let classes: Int32Array<ArrayBuffer> = Int32Array.from(accepts);
  let known = new Set(classes).size;
  const edges = Array.from({ length: count }, (_, q) => edgesOf(automaton, q));
  for (let round = 0; round < NEAR; round++) {
    budget.spend(count + automaton.edges.length / 3);
    const names = new Map<string, number>();
    const refined = classes.map((own, q) => {
      let name = `${own}`;
      let last = -1;
      let end = -1;
      for (const [from, to, target] of edges[q]) {
        if (classes[target] !== last || from !== end + 1) name += ` ${end} ${from} ${classes[target]}`;
        last = classes[target];
        end = to;
      }
      name += ` ${end}`;
      const found = names.get(name) ?? names.size;
      names.set(name, found);
      return found;
    });
    classes = refined;
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
