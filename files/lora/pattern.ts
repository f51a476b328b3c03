// The regular expressions of adapter_config.json, as Python's `re` reads them, matched in linear time.
// Patterns come from strangers, so nothing here backtracks.

import { MoloraError } from "../../proto/errors.ts";
import { type PatternNode, parsePattern } from "./pattern_parse.ts";

/** Longest program of a pattern; counted repeats are written out, so `(a{99}){99}` is refused by it. */
const MAX_INSTRUCTIONS = 10_000;
/** Of a lookahead, which runs from many places. */
const MAX_AHEAD = 500;

type Instruction =
  | { op: "take"; accepts: (character: string) => boolean }
  | { op: "edge"; holds: (text: string, at: number) => boolean }
  | { op: "fork"; to: number[] }
  | { op: "done" };

/**
 * A compiled pattern: a nondeterministic automaton (Thompson 1968) run on all its states at once, so that a match takes
 * at most instructions × characters steps whatever the pattern is; a lookahead as many from each place where it stands.
 * Lookbehind, back references and inline flags are refused with `adapter_unsupported`, bad syntax with `config_invalid`.
 */
export class Pattern {
  readonly source: string;
  readonly #automaton: Automaton;

  constructor(source: string) {
    this.source = source;
    this.#automaton = new Automaton(source, parsePattern(source), MAX_INSTRUCTIONS);
  }

  /** Python's `re.fullmatch(pattern, text)`. */
  matchesWhole(text: string): boolean {
    return this.#automaton.reachesEnd(text, (at) => at === 0);
  }

  /** PEFT's `get_pattern_key`: `re.match(r"(.*\.)?(pattern)$", path)`, the whole path or what follows one of its dots. */
  matchesSuffix(path: string): boolean {
    return this.#automaton.reachesEnd(path, (at) => at === 0 || path[at - 1] === ".");
  }
}

class Automaton {
  readonly #source: string;
  readonly #program: Instruction[] = [];
  readonly #most: number;
  /** A repeated lookahead is one. */
  readonly #aheads = new Map<PatternNode, Automaton>();

  /** `most`: instructions. */
  constructor(source: string, node: PatternNode, most: number) {
    this.#source = source;
    this.#most = most;
    this.#emit(node);
    this.#push({ op: "done" });
  }

  /** Whether some stretch from a position where `starts` holds to the end of `text` matches. */
  reachesEnd(text: string, starts: (at: number) => boolean): boolean {
    let current = new Set<number>();
    for (let at = 0; ; at++) {
      if (starts(at)) current.add(0);
      this.#follow(current, text, at);
      if (at === text.length) return current.has(this.#program.length - 1);
      current = this.#taken(current, text[at]);
    }
  }

  /** Whether some stretch of `text` that begins at `from` matches. */
  beginsAt(text: string, from: number): boolean {
    let current = new Set([0]);
    for (let at = from; current.size > 0; at++) {
      this.#follow(current, text, at);
      if (current.has(this.#program.length - 1)) return true;
      if (at === text.length) return false;
      current = this.#taken(current, text[at]);
    }
    return false;
  }

  #taken(states: Iterable<number>, character: string): Set<number> {
    const next = new Set<number>();
    for (const state of states) {
      const instruction = this.#program[state];
      if (instruction.op === "take" && instruction.accepts(character)) next.add(state + 1);
    }
    return next;
  }

  /** Adds every state reachable without taking a character; a Set's iteration visits what is added on the way. */
  #follow(states: Set<number>, text: string, at: number): void {
    for (const state of states) {
      const instruction = this.#program[state];
      if (instruction.op === "fork") for (const target of instruction.to) states.add(target);
      if (instruction.op === "edge" && instruction.holds(text, at)) states.add(state + 1);
    }
  }

  #emit(node: PatternNode): void {
    switch (node.kind) {
      case "take":
        this.#push({ op: "take", accepts: node.accepts });
        break;
      case "edge":
        this.#push({ op: "edge", holds: node.holds });
        break;
      case "ahead": {
        const { part, negative } = node;
        const ahead = this.#aheads.get(node) ?? new Automaton(this.#source, part, MAX_AHEAD);
        this.#aheads.set(node, ahead);
        this.#push({ op: "edge", holds: (text, at) => ahead.beginsAt(text, at) !== negative });
        break;
      }
      case "sequence":
        for (const part of node.parts) this.#emit(part);
        break;
      case "choice":
        this.#emitChoice(node.parts);
        break;
      case "repeat":
        this.#emitTimes(node.least, node.part);
        if (node.most === Infinity) this.#emitLoop(node.part);
        else this.#emitOptional(node.part, node.most - node.least);
        break;
    }
  }

  /** An empty part emits nothing however often it is repeated: leaving then keeps `(){999999999}` from spinning. */
  #emitTimes(times: number, part: PatternNode): void {
    for (let i = 0; i < times; i++) {
      const before = this.#program.length;
      this.#emit(part);
      if (this.#program.length === before) return;
    }
  }

  #emitChoice(parts: readonly PatternNode[]): void {
    const entry = this.#fork();
    const exits = parts.map((part) => {
      entry.push(this.#program.length);
      this.#emit(part);
      return this.#fork();
    });
    for (const exit of exits) exit.push(this.#program.length);
  }

  #emitLoop(part: PatternNode): void {
    const start = this.#program.length;
    const entry = this.#fork();
    entry.push(this.#program.length);
    this.#emit(part);
    this.#fork().push(start);
    entry.push(this.#program.length);
  }

  #emitOptional(part: PatternNode, times: number): void {
    const entries: number[][] = [];
    for (let i = 0; i < times; i++) {
      const entry = this.#fork();
      entry.push(this.#program.length);
      entries.push(entry);
      this.#emit(part);
    }
    for (const entry of entries) entry.push(this.#program.length);
  }

  /** A fork whose targets are filled in as they become known. */
  #fork(): number[] {
    const to: number[] = [];
    this.#push({ op: "fork", to });
    return to;
  }

  #push(instruction: Instruction): void {
    if (this.#program.length >= this.#most) {
      throw new MoloraError("adapter_unsupported", `the pattern "${this.#source}" is too large`, {
        remedy: "List the modules by name in place of counted repeats.",
      });
    }
    this.#program.push(instruction);
  }
}
