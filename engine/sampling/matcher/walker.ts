// Steps of a grammar: what a byte does to a thread, what follows a part that is complete. JSON is written on one line with
// ", " and ": ", as Python writes it and models have mostly read it; where any white space was allowed, a small model
// would write it for ever.

import { tooComplex } from "../language/budget.ts";
import type { ArrayNode, Grammar, GrammarNode, ObjectNode } from "../schema/nodes.ts";
import { BETWEEN, Lexeme } from "./lexeme.ts";
import type { ArrayFrame, Frame, LexemeThread, ObjectFrame, Thread } from "./threads.ts";
import { Threads } from "./threads.ts";

/** Most places where one text may be at once. */
export const MOST_THREADS = 4096;

export class Walker {
  readonly #nodes: readonly GrammarNode[];
  readonly #root: number;
  readonly #literals = new Map<string, Uint8Array>();
  readonly #lexemes = new Map<object, Lexeme>();
  /** Listed properties from an index on that are required. */
  readonly #required = new Map<ObjectNode, Int32Array>();
  threads = new Threads();

  constructor({ nodes, root }: Grammar) {
    this.#nodes = nodes;
    this.#root = root;
  }

  /** Threads of an empty text. */
  start(): Thread[] {
    const out: Thread[] = [];
    this.#enter(this.#root, undefined, out, new Set());
    return out;
  }

  /** Adds the threads that follow `thread` after a byte. */
  step(thread: Thread, byte: number, out: Thread[]): void {
    if (thread.kind === "literal") {
      if (thread.bytes[thread.at] !== byte) return;
      if (thread.at + 1 === thread.bytes.length) this.#resume(thread.frame, out);
      else
        out.push(this.threads.thread({ kind: "literal", bytes: thread.bytes, at: thread.at + 1, frame: thread.frame }));
    } else if (thread.kind === "lexeme") {
      this.#lexeme(thread, byte, out);
    }
    if (out.length > MOST_THREADS) throw tooComplex("too many of its alternatives begin alike");
  }

  /** The thread once the name that it left unknown is known, as it is spelt between its quotes. */
  named(thread: Thread, name: Uint8Array): Thread {
    const { frame } = thread;
    if (thread.kind !== "literal" || frame?.kind !== "object" || !frame.unknown) return thread;
    const seen = this.threads.seen(frame.seen, -1 - frame.which, name);
    return this.threads.thread({ ...thread, frame: this.threads.frame({ ...frame, seen, unknown: false }) });
  }

  #enter(index: number, above: Frame | undefined, out: Thread[], within: Set<number>): void {
    const node = this.#nodes[index];
    switch (node.kind) {
      case "literal":
        out.push(this.#literal(node.text, above));
        return;
      case "string":
      case "text":
        out.push(this.#begin(node, above));
        return;
      case "choice":
        // One that is a choice of itself says nothing new.
        if (within.has(index)) return;
        within.add(index);
        for (const option of node.of) this.#enter(option, above, out, within);
        return;
      case "sequence":
        this.#part(node.parts, 0, above, out, within);
        return;
      case "array":
        out.push(this.#literal("[", this.threads.frame({ kind: "array", node, count: 0, comma: false, above })));
        return;
      case "object": {
        const fresh = { next: 0, count: 0, seen: this.threads.noneSeen, which: 0, unknown: false } as const;
        out.push(this.#literal("{", this.threads.frame({ kind: "object", node, ...fresh, stage: "between", above })));
      }
    }
  }

  #part(parts: readonly number[], at: number, above: Frame | undefined, out: Thread[], within: Set<number>): void {
    const isLast = at === parts.length - 1;
    const after = isLast ? above : this.threads.frame({ kind: "sequence", parts, next: at + 1, above });
    this.#enter(parts[at], after, out, within);
  }

  #literal(text: string, frame: Frame | undefined): Thread {
    let bytes = this.#literals.get(text);
    if (bytes === undefined) {
      bytes = new TextEncoder().encode(text);
      this.#literals.set(text, bytes);
    }
    return this.threads.thread({ kind: "literal", bytes, at: 0, frame });
  }

  #begin(node: GrammarNode & { kind: "string" | "text" }, frame: Frame | undefined): Thread {
    const quoted = node.kind === "string";
    const lexeme = this.#lexemeOf(node, node.automaton, quoted);
    return this.threads.thread({
      kind: "lexeme",
      lexeme,
      state: quoted ? undefined : 0,
      place: BETWEEN,
      name: undefined,
      frame,
    });
  }

  #lexemeOf(owner: object, automaton: Lexeme["automaton"], quoted: boolean): Lexeme {
    const lexeme = this.#lexemes.get(owner) ?? new Lexeme(automaton, quoted);
    this.#lexemes.set(owner, lexeme);
    return lexeme;
  }

  #lexeme(thread: LexemeThread, byte: number, out: Thread[]): void {
    const { lexeme, state, place, name, frame } = thread;
    if (state === undefined) {
      if (byte === 0x22) out.push(this.threads.thread({ ...thread, state: 0 }));
      return;
    }
    if (lexeme.quoted && byte === 0x22 && place.kind === "between") {
      if (lexeme.accepts(state) && name?.seen?.ends !== true) this.#resume(frame, out);
      return;
    }
    const read = lexeme.read(state, place, byte);
    if (read === undefined) return;
    const [to, at] = read;
    const seen = name?.seen?.next.get(byte);
    const left = name === undefined ? undefined : { ...name, seen };
    // A name whose every end is taken already would never end.
    if (seen !== undefined && lexeme.texts(to, at) <= seen.below) return;
    if (lexeme.quoted || at.kind !== "between" || lexeme.goesOn(to)) {
      out.push(this.threads.thread({ kind: "lexeme", lexeme, state: to, place: at, name: left, frame }));
    }
    if (!lexeme.quoted && at.kind === "between" && lexeme.accepts(to)) this.#resume(frame, out);
  }

  #resume(frame: Frame | undefined, out: Thread[]): void {
    if (frame === undefined) out.push(this.threads.thread({ kind: "done", frame }));
    else if (frame.kind === "sequence") this.#part(frame.parts, frame.next, frame.above, out, new Set());
    else if (frame.kind === "array") this.#resumeArray(frame, out);
    else this.#resumeObject(frame, out);
  }

  #resumeArray(frame: ArrayFrame, out: Thread[]): void {
    const { node, count, comma, above } = frame;
    if (!comma) {
      if (count >= node.min) out.push(this.#literal("]", above));
      if (count >= node.max || (count >= node.prefix.length && node.items === undefined)) return;
      if (count > 0) {
        out.push(this.#literal(", ", this.threads.frame({ ...frame, comma: true })));
        return;
      }
    }
    const item = count < node.prefix.length ? node.prefix[count] : node.items!;
    this.#enter(item, this.threads.frame({ ...frame, count: counted(count, node), comma: false }), out, new Set());
  }

  #resumeObject(frame: ObjectFrame, out: Thread[]): void {
    const { node, next, count, which, stage } = frame;
    switch (stage) {
      case "between":
        this.#nextProperty(frame, out);
        return;
      case "name":
        this.#name(frame, out);
        return;
      case "named":
        out.push(this.#literal(": ", this.threads.frame({ ...frame, stage: "value", unknown: true })));
        return;
      case "value": {
        const value = which >= 0 ? node.properties[which].value : node.others[-1 - which].value;
        const after = { next: which >= 0 ? which + 1 : next, count: counted(count, node), stage: "between" } as const;
        this.#enter(
          value,
          this.threads.frame({ ...frame, ...after, which: frame.unknown ? which : 0 }),
          out,
          new Set(),
        );
      }
    }
  }

  /** What may follow an opening brace or a value: the closing one, a listed property, or another. */
  #nextProperty(frame: ObjectFrame, out: Thread[]): void {
    const { node, next, count, above } = frame;
    const { properties, others } = node;
    const required = this.#requiredFrom(node);
    const comma = count === 0 ? "" : ", ";
    const left = others.map((_, group) => this.#namesLeft(frame, group));
    const reachable = left.reduce((sum, names) => sum + names, 0);
    for (let i = next; i < properties.length; i++) {
      const { name, required: must } = properties[i];
      const enough = count + properties.length - i + reachable >= node.min;
      if (enough && count + 1 + required[i + 1] <= node.max) {
        const after = this.threads.frame({ ...frame, stage: "value", which: i });
        out.push(this.#literal(`${comma}${JSON.stringify(name)}: `, after));
      }
      if (must) return;
    }
    if (count >= node.min) out.push(this.#literal("}", above));
    if (count >= node.max || count + reachable < node.min) return;
    for (const [group, names] of left.entries()) {
      if (names <= 0) continue;
      const after = this.threads.frame({ ...frame, next: properties.length, stage: "name", which: -1 - group });
      out.push(this.#literal(`${comma}"`, after));
    }
  }

  /** Names of a group that were not seen; where one is unknown yet, one less. */
  #namesLeft({ node, seen, unknown }: ObjectFrame, group: number): number {
    const names = node.others[group];
    const all = this.#lexemeOf(names, names.names, true).texts(0, BETWEEN);
    return Math.max(0, all - seen.count(group) - (unknown ? 1 : 0));
  }

  #name(frame: ObjectFrame, out: Thread[]): void {
    if (frame.unknown) {
      out.push(this.threads.thread({ kind: "waiting", frame }));
      return;
    }
    const group = -1 - frame.which;
    const names = frame.node.others[group];
    const lexeme = this.#lexemeOf(names, names.names, true);
    const name = { group, seen: frame.seen.root(group) };
    const after = this.threads.frame({ ...frame, stage: "named" });
    out.push(this.threads.thread({ kind: "lexeme", lexeme, state: 0, place: BETWEEN, name, frame: after }));
  }

  #requiredFrom(node: ObjectNode): Int32Array {
    const known = this.#required.get(node);
    if (known !== undefined) return known;
    const { properties } = node;
    const counts = new Int32Array(properties.length + 1);
    for (let i = properties.length - 1; i >= 0; i--) counts[i] = counts[i + 1] + (properties[i].required ? 1 : 0);
    this.#required.set(node, counts);
    return counts;
  }
}

/** One more, unless that makes no difference. */
function counted(count: number, node: ArrayNode | ObjectNode): number {
  if (node.max !== Number.POSITIVE_INFINITY) return count + 1;
  const known = node.kind === "array" ? node.prefix.length : 1;
  return Math.min(count + 1, Math.max(node.min, known, 1));
}
