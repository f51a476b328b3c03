// Where a text may be in a grammar: threads, each a place in a leaf and the frames of what encloses it. Equal ones are the
// same object, so that a set of them has a name.

import type { ArrayNode, ObjectNode } from "../schema/nodes.ts";
import type { Lexeme, Place } from "./lexeme.ts";
import { Seen, type SeenNode } from "./seen.ts";

/** What goes on when a part is complete. */
export type Frame =
  | { kind: "sequence"; id: number; parts: readonly number[]; next: number; above: Frame | undefined }
  | ArrayFrame
  | ObjectFrame;

export interface ArrayFrame {
  kind: "array";
  id: number;
  node: ArrayNode;
  /** Items begun so far; not counted on where more make no difference. */
  count: number;
  /** A comma was written. */
  comma: boolean;
  above: Frame | undefined;
}

export interface ObjectFrame {
  kind: "object";
  id: number;
  node: ObjectNode;
  /** The first listed property that may still come. */
  next: number;
  count: number;
  seen: Seen;
  stage: "between" | "name" | "named" | "value";
  /** The listed property, or -1 less the group of others, that is under way. */
  which: number;
  /** The last name is not in `seen` yet: it is known only once its tokens are taken. */
  unknown: boolean;
  above: Frame | undefined;
}

export type Thread =
  | { kind: "literal"; id: number; bytes: Uint8Array; at: number; frame: Frame | undefined }
  | LexemeThread
  /** A name may begin here, of which nothing can be told before the name before it is known. */
  | { kind: "waiting"; id: number; frame: Frame | undefined }
  /** The text is complete. */
  | { kind: "done"; id: number; frame: undefined };

export interface LexemeThread {
  kind: "lexeme";
  id: number;
  lexeme: Lexeme;
  /** Undefined: before the opening quote. */
  state: number | undefined;
  place: Place;
  /** Of a property's name: its group, and where its bytes are among the names seen, undefined where they left them. */
  name: { group: number; seen: SeenNode | undefined } | undefined;
  frame: Frame | undefined;
}

type WithoutId<T> = T extends { id: number } ? Omit<T, "id"> : never;

/** Makes frames and threads, each once. */
export class Threads {
  readonly #known = new Map<string, Frame | Thread>();
  readonly #names = new Map<string, Seen>();
  readonly #ids = new WeakMap<object, number>();
  readonly noneSeen = Seen.none();
  #next: number;

  /** `next`: the first number to name things by; none is ever used twice, since things of before may still be held. */
  constructor(next = 1) {
    this.#next = next;
  }

  get next(): number {
    return this.#next;
  }

  get size(): number {
    return this.#known.size;
  }

  frame(made: WithoutId<Frame>): Frame {
    const above = made.above?.id ?? 0;
    switch (made.kind) {
      case "sequence":
        return this.#once(`s ${above} ${this.#id(made.parts)} ${made.next}`, made) as Frame;
      case "array":
        return this.#once(`a ${above} ${this.#id(made.node)} ${made.count} ${made.comma}`, made) as Frame;
      case "object": {
        const { node, next, count, seen, stage, which, unknown } = made;
        return this.#once(
          `o ${above} ${this.#id(node)} ${next} ${count} ${seen.id} ${stage} ${which} ${unknown}`,
          made,
        ) as Frame;
      }
    }
  }

  thread(made: WithoutId<Thread>): Thread {
    const frame = made.frame?.id ?? 0;
    switch (made.kind) {
      case "literal":
        return this.#once(`l ${frame} ${this.#id(made.bytes)} ${made.at}`, made) as Thread;
      case "lexeme": {
        const { lexeme, state, place, name } = made;
        const seen = name?.seen === undefined ? 0 : this.#id(name.seen);
        return this.#once(
          `x ${frame} ${this.#id(lexeme)} ${state} ${placeKey(place)} ${name?.group} ${seen}`,
          made,
        ) as Thread;
      }
      case "waiting":
        return this.#once(`w ${frame}`, made) as Thread;
      case "done":
        return this.#once("d", made) as Thread;
    }
  }

  /** Names seen, with one more. */
  seen(before: Seen, group: number, name: Uint8Array): Seen {
    const key = `${before.id} ${group} ${name.join(",")}`;
    const found = this.#names.get(key) ?? before.with(group, name, this.#next++);
    this.#names.set(key, found);
    return found;
  }

  #once(key: string, made: WithoutId<Frame> | WithoutId<Thread>): Frame | Thread {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const one = { ...made, id: this.#next++ } as Frame | Thread;
    this.#known.set(key, one);
    return one;
  }

  #id(object: object): number {
    const id = this.#ids.get(object) ?? this.#next++;
    this.#ids.set(object, id);
    return id;
  }
}

function placeKey(place: Place): string {
  switch (place.kind) {
    case "between":
      return "-";
    case "tail":
      return `t${place.target}.${place.left}`;
    case "bytes":
      return `b${place.bits}.${place.left}.${place.length}`;
    case "escape":
      return "e";
    case "digits":
      return `d${place.count}.${place.value}`;
  }
}
