// A compiled schema: nodes that refer to each other by index, as plain data that travels between threads.

import type { Automaton } from "../language/automaton.ts";

export type GrammarNode =
  /** Exactly this text. */
  | { kind: "literal"; text: string }
  /** A string, quoted and escaped, whose characters fit. */
  | { kind: "string"; automaton: Automaton }
  /** A text that fits, as it stands: a number, or one of many constants. */
  | { kind: "text"; automaton: Automaton }
  /** One of them. */
  | { kind: "choice"; of: number[] }
  | { kind: "sequence"; parts: number[] }
  | ArrayNode
  | ObjectNode;

export interface ArrayNode {
  kind: "array";
  /** The first items, then all further ones; undefined: no more. */
  prefix: number[];
  items: number | undefined;
  min: number;
  /** `Infinity`: no most. */
  max: number;
}

/** Properties in their order, then others by whose names they have; no name comes twice. */
export interface ObjectNode {
  kind: "object";
  properties: { name: string; value: number; required: boolean }[];
  /** Names of different ones never coincide, nor with those of `properties`. */
  others: { names: Automaton; value: number }[];
  min: number;
  max: number;
}

export interface Grammar {
  nodes: GrammarNode[];
  root: number;
}
