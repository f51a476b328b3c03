// Unigram (Kudo 2018, as SentencePiece has it): a piece of text becomes the tokens whose scores sum to the most.
// How a text is cut into pieces is pre_tokenizer.ts's business.

import { fallbackName, flag, shown } from "./bpe_model.ts";
import { type JsonObject, tokenizerInvalid } from "./fields.ts";
import type { PieceModel } from "./piece_model.ts";
import type { UnigramModel } from "./spec.ts";
import { utf8 } from "./token_bytes.ts";
import { hashOn, NO_BYTES_HASH, type TokenTable } from "./token_table.ts";

/** An unknown character costs this much more than the unlikeliest token. */
const UNKNOWN_PENALTY = 10;
/** Bytes between two steps. */
const STEP = 2048;
const SHORT = 32;
const CACHED_PIECES = 10_000;

/** What ends at a byte, on the best way to there. */
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
  readonly #vocabulary: TokenTable;
  readonly #withheld: ReadonlySet<number>;
  readonly #scores: Float64Array;
  readonly #unknownScore: number;
  readonly #fallbackIds: readonly (number | undefined)[] | undefined;
  readonly #cache = new Map<string, readonly number[]>();

  /** @throws MoloraError `tokenizer_invalid` */
  constructor(model: UnigramModel, { withheld }: UnigramOptions) {
    this.#vocabulary = model.vocab;
    this.#withheld = withheld;
    this.#scores = model.scores;
    const wrong = model.scores.findIndex((score) => !Number.isFinite(score));
    if (wrong >= 0) throw noScore(wrong, [model.vocab.textOf(wrong), model.scores[wrong]]);
    this.#unknownScore =
      model.scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY) - UNKNOWN_PENALTY;
    this.unknownId = unknownOf(model, model.vocab.size);
    if (flag(model, "byte_fallback")) {
      this.#fallbackIds = Array.from({ length: 256 }, (_, byte) => model.vocab.idOf(fallbackName(byte)));
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
    const bytes = utf8(piece);
    const { longestBytes } = this.#vocabulary;
    const best: (Best | undefined)[] = [];
    best[0] = { score: 0, from: 0, id: -1 };
    for (let at = 0; at < bytes.length; ) {
      const width = characterBytes(bytes[at]);
      const base = best[at]!.score;
      let single = false;
      let hash = NO_BYTES_HASH;
      const furthest = Math.min(bytes.length, at + longestBytes);
      for (let end = at + 1; end <= furthest; end++) {
        hash = hashOn(hash, bytes[end - 1]);
        if (end < bytes.length && (bytes[end] & 0xc0) === 0x80) continue; // within a character
        const id = this.#vocabulary.idOfBytes(bytes, at, end, hash);
        if (id < 0 || this.#withheld.has(id)) continue;
        offer(best, end, { score: base + this.#scores[id], from: at, id });
        single ||= end === at + width;
      }
      if (!single) offer(best, at + width, { score: base + this.#unknownScore, from: at, id: UNKNOWN });
      at += width;
      if (at % STEP < width) yield;
    }
    this.#append(bytes, best, out);
  }

  /** Unknown characters in a row are looked up together, as one token of that text would be. */
  #append(bytes: Uint8Array, best: readonly (Best | undefined)[], out: number[]): void {
    const way: { from: number; end: number; id: number }[] = [];
    for (let end = bytes.length; end > 0; ) {
      const { from, id } = best[end]!;
      const behind = way.at(-1);
      if (id === UNKNOWN && behind?.id === UNKNOWN) behind.from = from;
      else way.push({ from, end, id });
      end = from;
    }
    for (const { from, end, id } of way.reverse()) {
      if (id === UNKNOWN) this.#appendUnknown(bytes.subarray(from, end), out);
      else out.push(id);
    }
  }

  #appendUnknown(bytes: Uint8Array, out: number[]): void {
    const ids = this.#fallbackIds && Array.from(bytes, (byte) => this.#fallbackIds![byte]);
    if (ids?.every((id) => id !== undefined)) out.push(...ids);
    else if (this.unknownId !== undefined) out.push(this.unknownId);
  }
}

/** UTF-8's bytes of a character that begins with this one. */
function characterBytes(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

const UNKNOWN = -1;

function offer(best: (Best | undefined)[], end: number, way: Best): void {
  const held = best[end];
  if (held === undefined || way.score > held.score) best[end] = way;
}

/** An entry of a vocabulary that is not a token with its score. */
export function noScore(id: number, entry: unknown) {
  return tokenizerInvalid(`entry ${id} of the Unigram vocabulary is no token with a score: ${shown(entry)}`);
}

function unknownOf({ unk_id }: JsonObject, tokens: number): number | undefined {
  const id = unk_id ?? undefined;
  if (id === undefined) return undefined;
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < tokens) return id;
  throw tokenizerInvalid(`unk_id ${shown(id)} is no token of the vocabulary`);
}
