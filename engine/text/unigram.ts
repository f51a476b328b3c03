// Unigram (Kudo 2018, as SentencePiece has it): a piece of text becomes the tokens whose scores sum to the most.
// How a text is cut into pieces is pre_tokenizer.ts's business.

import { fallbackName, flag, shown } from "./bpe_model.ts";
import type { PieceModel } from "./piece_model.ts";
import { type JsonObject, tokenizerInvalid, type UnigramModel } from "./spec.ts";
import { utf8 } from "./token_bytes.ts";

/** An unknown character costs this much more than the unlikeliest token. */
const UNKNOWN_PENALTY = 10;
/** Characters between two steps. */
const STEP = 2048;
const SHORT = 32;
const CACHED_PIECES = 10_000;

/** What ends at a character, on the best way to there. */
interface Best {
  score: number;
  from: number;
  id: number;
}

export interface UnigramOptions {
  /** Ids that no text may become by being spelt: control tokens. */
  withheld: ReadonlySet<number>;
}

/**
 * Semantics: of all ways to write the piece as tokens the one of the highest sum of scores, of equal ones the one found
 * first, from left to right and with longer tokens later; a character without a token is the unknown one, or its bytes.
 * As Rust `tokenizers` has it (its encode_optimized).
 */
export class Unigram implements PieceModel {
  readonly fusesUnknown = true;
  readonly unknownId: number | undefined;
  readonly vanishing: "none" | "any";
  readonly #ids: ReadonlyMap<string, number>;
  readonly #scores: readonly number[];
  /** Units of the longest token. */
  readonly #longest: number;
  readonly #unknownScore: number;
  readonly #fallbackIds: readonly (number | undefined)[] | undefined;
  readonly #cache = new Map<string, readonly number[]>();

  /** @throws MoloraError `tokenizer_invalid` */
  constructor(model: UnigramModel, { withheld }: UnigramOptions) {
    const pieces = unigramVocabulary(model);
    const all = new Map(pieces.map(([token], id) => [token, id]));
    this.#ids = new Map([...all].filter(([, id]) => !withheld.has(id)));
    this.#scores = pieces.map(([, score]) => score);
    this.#longest = pieces.reduce((most, [token]) => Math.max(most, token.length), 0);
    this.#unknownScore =
      this.#scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY) - UNKNOWN_PENALTY;
    this.unknownId = unknownOf(model, pieces.length);
    if (flag(model, "byte_fallback")) {
      this.#fallbackIds = Array.from({ length: 256 }, (_, byte) => all.get(fallbackName(byte)));
    }
    this.vanishing = this.unknownId === undefined ? "any" : "none";
  }

  short(piece: string): readonly number[] | undefined {
    if (piece.length > SHORT) return undefined;
    let ids = this.#cache.get(piece);
    if (ids === undefined) {
      const found: number[] = [];
      for (const _ of this.encode(piece, found));
      ids = found;
      if (this.#cache.size >= CACHED_PIECES) this.#cache.clear();
      this.#cache.set(piece, ids);
    }
    return ids;
  }

  *encode(piece: string, out: number[]): Generator<undefined, void> {
    const best: (Best | undefined)[] = [];
    best[0] = { score: 0, from: 0, id: -1 };
    for (let at = 0; at < piece.length; ) {
      const width = piece.codePointAt(at)! > 0xffff ? 2 : 1;
      const base = best[at]!.score;
      let single = false;
      const furthest = Math.min(piece.length, at + this.#longest);
      for (let end = at + 1; end <= furthest; end++) {
        const id = this.#ids.get(piece.slice(at, end));
        if (id === undefined) continue;
        offer(best, end, { score: base + this.#scores[id], from: at, id });
        single ||= end === at + width;
      }
      if (!single) offer(best, at + width, { score: base + this.#unknownScore, from: at, id: UNKNOWN });
      at += width;
      if (at % STEP < width) yield;
    }
    this.#append(piece, best, out);
  }

  /** Unknown characters in a row are looked up together, as one token of that text would be. */
  #append(piece: string, best: readonly (Best | undefined)[], out: number[]): void {
    const way: { from: number; end: number; id: number }[] = [];
    for (let end = piece.length; end > 0; ) {
      const { from, id } = best[end]!;
      const behind = way.at(-1);
      if (id === UNKNOWN && behind?.id === UNKNOWN) behind.from = from;
      else way.push({ from, end, id });
      end = from;
    }
    for (const { from, end, id } of way.reverse()) {
      if (id === UNKNOWN) this.#appendUnknown(piece.slice(from, end), out);
      else out.push(id);
    }
  }

  #appendUnknown(text: string, out: number[]): void {
    const bytes = this.#fallbackIds && Array.from(utf8(text), (byte) => this.#fallbackIds![byte]);
    if (bytes?.every((id) => id !== undefined)) out.push(...bytes);
    else if (this.unknownId !== undefined) out.push(this.unknownId);
  }
}

const UNKNOWN = -1;

function offer(best: (Best | undefined)[], end: number, way: Best): void {
  const held = best[end];
  if (held === undefined || way.score > held.score) best[end] = way;
}

/** Tokens and their scores by id. @throws MoloraError `tokenizer_invalid` */
export function unigramVocabulary({ vocab }: UnigramModel): [string, number][] {
  for (const [id, entry] of vocab.entries()) {
    const [token, score] = Array.isArray(entry) ? entry : [];
    if (typeof token === "string" && typeof score === "number" && Number.isFinite(score)) continue;
    throw tokenizerInvalid(`entry ${id} of the Unigram vocabulary is no token with a score: ${shown(entry)}`);
  }
  return vocab as [string, number][];
}

function unknownOf({ unk_id }: JsonObject, tokens: number): number | undefined {
  const id = unk_id ?? undefined;
  if (id === undefined) return undefined;
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < tokens) return id;
  throw tokenizerInvalid(`unk_id ${shown(id)} is no token of the vocabulary`);
}
