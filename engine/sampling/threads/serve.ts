// The inside of a grammar thread: carries out orders one by one.

import { MoloraError } from "../../../proto/errors.ts";
import { schemaInvalid } from "../language/budget.ts";
import { Matcher, type Text } from "../matcher/matcher.ts";
import { Vocabulary } from "../matcher/vocabulary.ts";
import { compileSource, type GrammarSource } from "../schema/source.ts";
import type { Answer, Order } from "./orders.ts";

/** Parts that all grammars together may keep for the next mask; about 200 bytes each. */
const MOST_KEPT = 1_000_000;

interface Served {
  matcher: Matcher;
  text: Text;
  endIds: readonly number[];
}

/** Answers orders through `post`; the caller hands each order to what is returned. */
export function serveGrammars(post: (answer: Answer) => void): (order: Order) => void {
  const service = new Service();
  post({ kind: "ready" });
  return (order) => {
    const begun = performance.now();
    try {
      const done = service.carryOut(order);
      post({ kind: "done", ms: performance.now() - begun, ...done });
    } catch (thrown) {
      const { code, message, remedy } = readable(thrown);
      post({ kind: "failed", code, message, remedy });
    }
  };
}

function readable(thrown: unknown): MoloraError {
  // Schemas nest as deep as their length allows, and functions that read them with them.
  if (thrown instanceof RangeError)
    return new MoloraError("schema_too_complex", "the schema is nested too deep", { cause: thrown });
  return MoloraError.from(thrown);
}

class Service {
  #vocabulary: Vocabulary | undefined;
  readonly #matchers = new Map<number, Matcher>();
  readonly #texts = new Map<number, Served>();

  carryOut(order: Order): Omit<Answer & { kind: "done" }, "kind" | "ms"> {
    switch (order.kind) {
      case "compile":
        return { grammar: compileSource(JSON.parse(order.source) as GrammarSource) };
      case "vocabulary":
        this.#vocabulary = new Vocabulary(order.list);
        return {};
      case "grammar":
        this.#matchers.set(order.id, new Matcher(order.grammar, this.#vocabulary!));
        return {};
      case "forget":
        this.#matchers.delete(order.id);
        return {};
      case "begin":
        return { mask: this.#begin(order) };
      case "accept":
        return { mask: this.#accept(order.text, order.token) };
      case "end":
        this.#texts.delete(order.text);
        return {};
    }
  }

  #begin({ text, grammar, endIds, tokens }: Order & { kind: "begin" }): Uint32Array<ArrayBuffer> {
    const matcher = this.#matchers.get(grammar)!;
    const served: Served = { matcher, text: matcher.begin(), endIds };
    this.#texts.set(text, served);
    for (const token of tokens) served.text = accepted(served, token);
    return this.#mask(served);
  }

  #accept(text: number, token: number): Uint32Array<ArrayBuffer> {
    const served = this.#texts.get(text)!;
    served.text = accepted(served, token);
    return this.#mask(served);
  }

  #mask(served: Served): Uint32Array<ArrayBuffer> {
    this.#makeRoom();
    const mask = served.matcher.mask(served.text, served.endIds);
    if (mask.every((bits) => bits === 0))
      throw schemaInvalid("the text so far cannot be completed with this model's tokens");
    return mask;
  }

  /** What matchers keep serves speed alone, so all of it may be dropped at any time. */
  #makeRoom(): void {
    const matchers = new Set([...this.#matchers.values(), ...[...this.#texts.values()].map(({ matcher }) => matcher)]);
    const kept = [...matchers].reduce((sum, matcher) => sum + matcher.kept, 0);
    if (kept > MOST_KEPT) for (const matcher of matchers) matcher.forget();
  }
}

function accepted({ matcher, text }: Served, token: number): Text {
  const after = matcher.accept(text, token);
  if (after === undefined)
    throw new MoloraError("internal", `token ${token} came although the grammar does not allow it`);
  return after;
}
