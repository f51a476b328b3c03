// Deterministic automata over characters, as plain arrays that travel between threads. Every state leads on to an end:
// whoever walks one never gets stuck.

import type { Budget } from "./budget.ts";
import { ALL } from "./char_set.ts";

/** State 0 is the start; without states nothing fits. */
export interface Table {
  kind: "table";
  /** 1 for states where a text may end. */
  accepts: Uint8Array;
  /** Edges of state q: triples `offsets[q]` to `offsets[q + 1]`. */
  offsets: Int32Array;
  /** From and to (code points, inclusive), then the target; ascending within a state. */
  edges: Int32Array;
  /** By state: the first one that no text of `NEAR` characters tells from it. Undefined: each is its own. */
  alike?: Int32Array;
}

/** Any text of so many characters: states count them. */
export interface Count {
  kind: "count";
  min: number;
  /** `Infinity`: no most. */
  max: number;
}

export type Automaton = Table | Count;

/** Characters that a token has at most, but for a few, which are tried one by one. */
export const NEAR = 32;

export const DEAD = -1;

export const ANY_TEXT: Count = { kind: "count", min: 0, max: Number.POSITIVE_INFINITY };

/** Edges of a state while an automaton is being made. */
export type Edge = [from: number, to: number, target: number];

export function isEmpty(automaton: Automaton): boolean {
  return automaton.kind === "count" ? automaton.min > automaton.max : automaton.accepts.length === 0;
}

export function accepts(automaton: Automaton, state: number): boolean {
  return automaton.kind === "count" ? state >= automaton.min : automaton.accepts[state] === 1;
}

/** The state after a character, or DEAD. */
export function next(automaton: Automaton, state: number, point: number): number {
  if (automaton.kind === "count") return nextCount(automaton, state);
  const { offsets, edges } = automaton;
  let low = offsets[state];
  let high = offsets[state + 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[3 * middle + 1] < point) low = middle + 1;
    else high = middle;
  }
  return low < offsets[state + 1] && edges[3 * low] <= point ? edges[3 * low + 2] : DEAD;
}

/** A count goes no further than it matters. */
function nextCount({ min, max }: Count, state: number): number {
  if (state >= max) return DEAD;
  return max === Number.POSITIVE_INFINITY ? Math.min(state + 1, min) : state + 1;
}

/** The one state all characters from `from` to `to` lead to; DEAD where none leads anywhere; undefined where they differ. */
export function nextOfAll(automaton: Automaton, state: number, from: number, to: number): number | undefined {
  if (automaton.kind === "count") return nextCount(automaton, state);
  const { offsets, edges } = automaton;
  let found: number | undefined;
  let reached = from;
  for (let e = offsets[state]; e < offsets[state + 1]; e++) {
    if (edges[3 * e + 1] < from) continue;
    if (edges[3 * e] > to) break;
    const target = edges[3 * e + 2];
    if (edges[3 * e] > reached || (found !== undefined && found !== target)) return undefined;
    found = target;
    reached = edges[3 * e + 1] + 1;
  }
  if (found === undefined) return DEAD;
  return reached > to ? found : undefined;
}

/** Whether a whole text fits. */
export function fitsText(automaton: Automaton, text: string): boolean {
  if (isEmpty(automaton)) return false;
  let state = 0;
  for (const char of text) {
    state = next(automaton, state, char.codePointAt(0)!);
    if (state === DEAD) return false;
  }
  return accepts(automaton, state);
}

/** As a table of edges, a count too. */
export function edgesOf(automaton: Automaton, state: number): Edge[] {
  if (automaton.kind === "count") {
    const target = nextCount(automaton, state);
    return target === DEAD ? [] : ALL.map(([from, to]) => [from, to, target]);
  }
  const found: Edge[] = [];
  for (let e = automaton.offsets[state]; e < automaton.offsets[state + 1]; e++) {
    found.push([automaton.edges[3 * e], automaton.edges[3 * e + 1], automaton.edges[3 * e + 2]]);
  }
  return found;
}

/** The states from which an end can be reached, those alone, in the order they had. */
export function table(edges: readonly (readonly Edge[])[], ends: readonly boolean[], budget: Budget): Table {
  const live = liveStates(edges, ends);
  budget.spend(edges.length);
  const renumbered = new Int32Array(edges.length).fill(DEAD);
  let count = 0;
  if (live[0]) for (let q = 0; q < edges.length; q++) if (live[q]) renumbered[q] = count++;
  const accepts = new Uint8Array(count);
  const offsets = new Int32Array(count + 1);
  const kept: number[] = [];
  for (let q = 0; q < edges.length; q++) {
    const state = renumbered[q];
    if (state === DEAD) continue;
    accepts[state] = ends[q] ? 1 : 0;
    for (const [from, to, target] of joined(edges[q])) {
      if (renumbered[target] !== DEAD) kept.push(from, to, renumbered[target]);
    }
    offsets[state + 1] = kept.length / 3;
  }
  return { kind: "table", accepts, offsets, edges: Int32Array.from(kept) };
}

function liveStates(edges: readonly (readonly Edge[])[], ends: readonly boolean[]): boolean[] {
  const before: number[][] = edges.map(() => []);
  for (const [q, out] of edges.entries()) for (const [, , target] of out) before[target].push(q);
  const live = [...ends];
  const open = live.flatMap((is, q) => (is ? [q] : []));
  for (let q = open.pop(); q !== undefined; q = open.pop()) {
    for (const source of before[q]) {
      if (live[source]) continue;
      live[source] = true;
      open.push(source);
    }
  }
  return live;
}

/** Neighbouring ranges with one target as one; `edges` ascend. */
function joined(edges: readonly Edge[]): Edge[] {
  const all: Edge[] = [];
  for (const [from, to, target] of edges) {
    const last = all.at(-1);
    if (last !== undefined && last[2] === target && last[1] + 1 === from) last[1] = to;
    else all.push([from, to, target]);
  }
  return all;
}
