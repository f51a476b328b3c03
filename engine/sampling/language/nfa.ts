// A pattern's tree as a nondeterministic automaton, then as a deterministic one (Thompson's construction, subsets).

import { type Edge, type Table, table } from "./automaton.ts";
import type { Budget } from "./budget.ts";
import { ALL, type CharSet } from "./char_set.ts";
import type { PatternNode } from "./pattern_parse.ts";

/** Where a step that reads nothing may be taken: anywhere, before all characters, after all of them. */
type Place = "anywhere" | "begin" | "end";

interface State {
  silent: { target: number; place: Place }[];
  read: { set: CharSet; target: number } | undefined;
}

/** Once what is searched for is found, nothing that follows matters. */
function foundAt(members: number[], end: number): number[] {
  return members.includes(end) ? [end] : members;
}

export class Nfa {
  readonly #states: State[] = [];
  readonly #budget: Budget;

  private constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** Texts that hold, somewhere, what the tree stands for: patterns are not tied to the ends by themselves. */
  static searching(tree: PatternNode, budget: Budget): Table {
    const nfa = new Nfa(budget);
    const start = nfa.#loop();
    const end = nfa.#loop();
    nfa.#silent(start, nfa.#build(tree, end));
    return nfa.#determine(start, end);
  }

  #add(read?: State["read"]): number {
    this.#budget.spend(1);
    this.#budget.states(this.#states.length, "a pattern");
    return this.#states.push({ silent: [], read }) - 1;
  }

  #silent(from: number, target: number, place: Place = "anywhere"): void {
    this.#states[from].silent.push({ target, place });
  }

  /** Reads anything, any number of times. */
  #loop(): number {
    const state = this.#add();
    this.#states[state].read = { set: ALL, target: state };
    return state;
  }

  /** The state from which the tree leads to `after`. */
  #build(node: PatternNode, after: number): number {
    switch (node.kind) {
      case "set":
        return this.#add({ set: node.set, target: after });
      case "sequence":
        return node.parts.reduceRight((follows, part) => this.#build(part, follows), after);
      case "choice": {
        const fork = this.#add();
        for (const option of node.of) this.#silent(fork, this.#build(option, after));
        return fork;
      }
      case "edge": {
        const state = this.#add();
        this.#silent(state, after, node.edge);
        return state;
      }
      case "repeat":
        return this.#repeat(node.part, node.min, node.max, after);
      case "look":
        throw new Error("lookaheads are taken out before");
    }
  }

  #repeat(part: PatternNode, min: number, max: number, after: number): number {
    let state = after;
    if (max === Number.POSITIVE_INFINITY) {
      state = this.#add();
      this.#silent(state, after);
      this.#silent(state, this.#build(part, state));
    }
    for (let i = min; i < max && max !== Number.POSITIVE_INFINITY; i++) {
      const fork = this.#add();
      this.#silent(fork, this.#build(part, state));
      this.#silent(fork, after);
      state = fork;
    }
    for (let i = 0; i < min; i++) state = this.#build(part, state);
    return state;
  }

  #determine(start: number, end: number): Table {
    const known = new Map<string, number>();
    const sets: number[][] = [];
    const edges: Edge[][] = [];
    const stateOf = (members: number[]): number => {
      const key = members.join(",");
      const found = known.get(key);
      if (found !== undefined) return found;
      this.#budget.states(sets.length, "a pattern");
      known.set(key, sets.length);
      return sets.push(members) - 1;
    };
    // Classes of characters have hundreds of ranges, which lead to few sets.
    const reached = new Map<string, number>();
    const after = (targets: number[]): number => {
      const key = targets.join(",");
      const closed = () => this.#closure(targets, () => false);
      const state = reached.get(key) ?? stateOf(foundAt(closed(), end));
      reached.set(key, state);
      return state;
    };
    // The first state alone is at the beginning, so that no other shares it.
    sets.push(this.#closure([start], (place) => place === "begin"));
    for (let q = 0; q < sets.length; q++) {
      edges.push(this.#segments(sets[q]).map(([from, to, targets]) => [from, to, after(targets)]));
    }
    const ends = sets.map((members, q) => this.#closure(members, (place) => place === "end" || q === 0).includes(end));
    return table(edges, ends, this.#budget);
  }

  /** Every state reached without reading, those that matter: ascending. */
  #closure(members: readonly number[], passable: (place: Place) => boolean): number[] {
    const seen = new Set(members);
    const open = [...members];
    for (let state = open.pop(); state !== undefined; state = open.pop()) {
      this.#budget.spend(1);
      for (const { target, place } of this.#states[state].silent) {
        if (seen.has(target) || (place !== "anywhere" && !passable(place))) continue;
        seen.add(target);
        open.push(target);
      }
    }
    this.#budget.spend(seen.size);
    return [...seen].sort((a, b) => a - b);
  }

  /** What is read from a set of states: disjoint ranges, each with all its targets. */
  #segments(members: readonly number[]): [from: number, to: number, targets: number[]][] {
    const changes: { at: number; target: number; opens: boolean }[] = [];
    for (const member of members) {
      const { read } = this.#states[member];
      if (read === undefined) continue;
      for (const [from, to] of read.set) {
        changes.push({ at: from, target: read.target, opens: true }, { at: to + 1, target: read.target, opens: false });
      }
    }
    this.#budget.spend(changes.length);
    changes.sort((a, b) => a.at - b.at);
    const open = new Map<number, number>();
    const segments: [number, number, number[]][] = [];
    for (let i = 0; i < changes.length; ) {
      const { at } = changes[i];
      for (; i < changes.length && changes[i].at === at; i++) {
        const { target, opens } = changes[i];
        const count = (open.get(target) ?? 0) + (opens ? 1 : -1);
        if (count === 0) open.delete(target);
        else open.set(target, count);
      }
      if (open.size === 0) continue;
      this.#budget.spend(open.size);
      segments.push([at, changes[i].at - 1, [...open.keys()]]);
    }
    return segments;
  }
}
