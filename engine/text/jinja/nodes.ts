// The tree of a parsed template. One node says what its text says, and nothing of what it means.

import type { Value } from "./values.ts";

export interface Arguments {
  positional: readonly Expression[];
  named: readonly (readonly [name: string, value: Expression])[];
  /** `*list` and `**mapping`. */
  spread?: Expression;
  spreadNamed?: Expression;
}

export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in";
export type Arithmetic = "+" | "-" | "*" | "/" | "//" | "%" | "**" | "~";

export type Expression =
  | { kind: "constant"; value: Value }
  | { kind: "name"; name: string }
  | { kind: "list"; items: readonly Expression[]; tuple: boolean }
  | { kind: "dict"; entries: readonly (readonly [Expression, Expression])[] }
  | { kind: "attribute"; of: Expression; name: string }
  | { kind: "item"; of: Expression; at: Expression }
  | { kind: "slice"; of: Expression; from?: Expression; to?: Expression; step?: Expression }
  | { kind: "call"; callee: Expression; args: Arguments }
  /** Without `of` it is applied to a block's text. */
  | { kind: "filter"; of: Expression | undefined; name: string; args: Arguments }
  | { kind: "test"; of: Expression; name: string; args: Arguments; negated: boolean }
  | { kind: "not"; of: Expression }
  | { kind: "sign"; minus: boolean; of: Expression }
  | { kind: "and" | "or"; left: Expression; right: Expression }
  | { kind: "binary"; operator: Arithmetic; left: Expression; right: Expression }
  | { kind: "compare"; first: Expression; rest: readonly (readonly [Comparison, Expression])[] }
  | { kind: "choice"; condition: Expression; value: Expression; otherwise: Expression | undefined };

/** What is assigned to: a name, several, or an attribute of a namespace. */
export type Target =
  | { kind: "name"; name: string }
  | { kind: "several"; targets: readonly Target[] }
  | { kind: "attribute"; of: string; name: string };

export interface Parameter {
  name: string;
  otherwise: Expression | undefined;
}

export type Statement =
  | { kind: "text"; text: string }
  | { kind: "output"; of: Expression }
  | { kind: "if"; branches: readonly { condition: Expression; body: Body }[]; otherwise: Body }
  | {
      kind: "for";
      target: Target;
      of: Expression;
      condition: Expression | undefined;
      recursive: boolean;
      body: Body;
      otherwise: Body;
    }
  | { kind: "break" | "continue" }
  | { kind: "set"; target: Target; value: Expression }
  /** What the body renders to, through `filter` where there is one. */
  | { kind: "capture"; target: Target; filter: Expression | undefined; body: Body }
  | { kind: "macro"; name: string; parameters: readonly Parameter[]; body: Body }
  | { kind: "callBlock"; call: Expression & { kind: "call" }; parameters: readonly Parameter[]; body: Body }
  | { kind: "filterBlock"; filter: Expression; body: Body }
  | { kind: "with"; bindings: readonly (readonly [Target, Expression])[]; body: Body }
  /** transformers' `{% generation %}`: marks what the assistant says, and changes nothing of it. */
  | { kind: "generation"; body: Body };

export type Body = readonly Statement[];
