// Automata of automata: both, not, one but not another, and the words of a list.

import {
  ANY_TEXT,
  type Automaton,
  accepts,
  type Count,
  DEAD,
  type Edge,
  edgesOf,
  isEmpty,
  next,
  type Table,
  table,
} from "./automaton.ts";
import type { Budget } from "./budget.ts";
import { ALL } from "./char_set.ts";

const EMPTY: Table = {
  kind: "table",
  accepts: new Uint8Array(),
  offsets: new Int32Array(1),
  edges: new Int32Array(),
};

/** Texts that fit both. */
export function both(a: Automaton, b: Automaton, budget: Budget): Automaton {
  if (isEmpty(a) || isEmpty(b)) return EMPTY;
  if (a.kind === "count" && b.kind === "count") return counted(a, b);
  if (a.kind === "count" && isAny(a)) return b;
  if (b.kind === "count" && isAny(b)) return a;
  const pairs: [number, number][] = [[0, 0]];
  const known = new Map<number, number>([[0, 0]]);
  const edges: Edge[][] = [];
  for (let q = 0; q < pairs.length; q++) {
    const [p, r] = pairs[q];
    const left = edgesOf(a, p);
    const right = edgesOf(b, r);
    budget.spend(left.length + right.length);
    const out: Edge[] = [];
    for (let i = 0, j = 0; i < left.length && j < right.length; ) {
      const from = Math.max(left[i][0], right[j][0]);
      const to = Math.min(left[i][1], right[j][1]);
      if (from <= to) {
        const key = left[i][2] * 0x1000000 + right[j][2];
        let target = known.get(key);
        if (target === undefined) {
          target = pairs.push([left[i][2], right[j][2]]) - 1;
          budget.states(target, "a string's patterns and lengths together");
          known.set(key, target);
        }
        out.push([from, to, target]);
      }
      if (left[i][1] < right[j][1]) i++;
      else j++;
    }
    edges.push(out);
  }
  return table(
    edges,
    pairs.map(([p, r]) => accepts(a, p) && accepts(b, r)),
    budget,
  );
}

function counted(a: Count, b: Count): Automaton {
  const count: Count = { kind: "count", min: Math.max(a.min, b.min), max: Math.min(a.max, b.max) };
  return isEmpty(count) ? EMPTY : count;
}

function isAny({ min, max }: Count): boolean {
  return min === 0 && max === Number.POSITIVE_INFINITY;
}

/** Texts that do not fit. */
export function not(automaton: Automaton, budget: Budget): Table {
  const a = asTable(automaton, budget);
  const count = a.accepts.length;
  const rest = count; // Where everything leads that fits no longer.
  const edges: Edge[][] = [];
  for (let q = 0; q < count; q++) {
    const out = edgesOf(a, q);
    budget.spend(out.length);
    edges.push(ALL.flatMap(([from, to]) => filled(out, from, to, rest)));
  }
  edges.push(ALL.map(([from, to]): Edge => [from, to, rest]));
  const ends = edges.map((_, q) => q === rest || a.accepts[q] === 0);
  if (count === 0) return table([ALL.map(([from, to]): Edge => [from, to, 0])], [true], budget);
  return table(edges, ends, budget);
}

/** The edges between `from` and `to`, and where they leave gaps, edges to `rest`. */
function filled(edges: readonly Edge[], from: number, to: number, rest: number): Edge[] {
  const all: Edge[] = [];
  let at = from;
  for (const [first, last, target] of edges) {
    if (last < from || first > to) continue;
    if (first > at) all.push([at, first - 1, rest]);
    all.push([Math.max(first, from), Math.min(last, to), target]);
    at = last + 1;
  }
  if (at <= to) all.push([at, to, rest]);
  return all;
}

export function without(a: Automaton, b: Automaton, budget: Budget): Automaton {
  return isEmpty(b) ? a : both(a, not(b, budget), budget);
}

/** Texts that fit at least one. */
export function either(all: readonly Automaton[], budget: Budget): Automaton {
  if (all.length === 1) return all[0];
  const none = all.reduce((rest, automaton) => without(rest, automaton, budget), ANY_TEXT as Automaton);
  return not(none, budget);
}

function asTable(automaton: Automaton, budget: Budget): Table {
  if (automaton.kind === "table") return automaton;
  const { min, max } = automaton;
  const last = max === Number.POSITIVE_INFINITY ? min : max;
  budget.states(last, "the length of a string");
  const states = isEmpty(automaton) ? [] : Array.from({ length: last + 1 }, (_, state) => state);
  return table(
    states.map((state) => edgesOf(automaton, state)),
    states.map((state) => accepts(automaton, state)),
    budget,
  );
}

/** These words and no others. */
export function words(list: Iterable<string>, budget: Budget): Table {
  const steps: Map<number, number>[] = [new Map()];
  const ends = [false];
  for (const word of list) {
    let state = 0;
    for (const char of word) {
      const point = char.codePointAt(0)!;
      let target = steps[state].get(point);
      if (target === undefined) {
        target = steps.push(new Map()) - 1;
        ends.push(false);
        budget.states(target, "a list of names");
        steps[state].set(point, target);
      }
      state = target;
    }
    ends[state] = true;
  }
  const edges = steps.map((out) =>
    [...out].sort(([a], [b]) => a - b).map(([point, target]): Edge => [point, point, target]),
  );
  return table(edges, ends, budget);
}

/** All texts that fit, shortest branches first, where there are at most `most`; else undefined. */
export function listWords(automaton: Automaton, most: number): string[] | undefined {
  if (isEmpty(automaton)) return [];
  const found: string[] = [];
  const open: [state: number, text: string][] = [[0, ""]];
  for (let visited = 0; open.length > 0; visited++) {
    if (visited > 50 * most) return undefined;
    const [state, text] = open.shift()!;
    if (accepts(automaton, state)) found.push(text);
    if (found.length > most || text.length > 1000) return undefined;
    for (const [from, to] of edgesOf(automaton, state)) {
      if (to - from >= most) return undefined;
      for (let point = from; point <= to; point++) {
        open.push([next(automaton, state, point), text + String.fromCodePoint(point)]);
      }
    }
  }
  return found;
}

/** From each state of an automaton, how many texts lead to an end; `Infinity` from where it can go round. */
export function countTexts(automaton: Table): Float64Array {
  const counts = new Float64Array(automaton.accepts.length).fill(DEAD);
  const under = new Uint8Array(counts.length);
  const visit = (root: number) => {
    const open: [state: number, edge: number][] = [[root, automaton.offsets[root]]];
    under[root] = 1;
    counts[root] = automaton.accepts[root];
    while (open.length > 0) {
      const top = open[open.length - 1];
      const [state, edge] = top;
      if (edge === automaton.offsets[state + 1]) {
        under[state] = 0;
        open.pop();
        continue;
      }
      const target = automaton.edges[3 * edge + 2];
      if (under[target] === 1) counts[state] = Number.POSITIVE_INFINITY;
      else if (counts[target] === DEAD) {
        under[target] = 1;
        counts[target] = automaton.accepts[target];
        open.push([target, automaton.offsets[target]]);
        continue;
      } else counts[state] += counts[target] * (automaton.edges[3 * edge + 1] - automaton.edges[3 * edge] + 1);
      top[1]++;
    }
  };
  if (counts.length > 0) visit(0);
  return counts;
}
