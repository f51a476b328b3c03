// Byte-pair encoding of one piece of text: symbols merged in the order of their ranks, in steps that can be interleaved.
// How a text is cut into pieces is pre_tokenizer.ts's business.

import { fallbackName, flag, refuseAffixes, unknownToken } from "./bpe_model.ts";
import { vanishing } from "./coverage.ts";
import { MergeQueue } from "./merge_queue.ts";
import { MergeRanks } from "./merges.ts";
import type { PieceModel } from "./piece_model.ts";
import type { BpeModel } from "./spec.ts";
import { utf8 } from "./token_bytes.ts";
import type { TokenTable } from "./token_table.ts";

/** Pieces up to this many characters are done at once, and remembered with their ids. */
const SHORT = 32;
const CACHED_PIECES = 10_000;
/** Symbols looked at, or heap operations done, between two steps of a long piece. */
const STEP = 4096;

export interface BpeOptions {
  /** Ids that no text may become by being spelt: control tokens. They take no part in merging. */
  withheld: ReadonlySet<number>;
  /** GPT-2's spelling of each byte; undefined: symbols are characters. */
  byteSpelling: readonly string[] | undefined;
  /** The id of a token by its text, added tokens included: for `unk_token`. */
  idOf(token: string): number | undefined;
}

/**
 * Semantics: while two neighbours have a merge, the one of lowest rank is done, of equal ranks the leftmost. As Rust
 * `tokenizers` has it, in n·log n for a piece of n symbols.
 */
export class Bpe implements PieceModel {
  /** Unknown characters in a row are one unknown token; across pieces too, so that it is the caller's to do. */
  readonly fusesUnknown: boolean;
  readonly unknownId: number | undefined;
  /** Characters that have no tokens, see coverage.ts. */
  readonly vanishing: RegExp | "none" | "any";
  readonly #vocabulary: TokenTable;
  readonly #withheld: ReadonlySet<number>;
  readonly #ranks: MergeRanks;
  readonly #takesWhole: boolean;
  readonly #byteSpelling: readonly string[] | undefined;
  readonly #byteIds: readonly (number | undefined)[] | undefined;
  readonly #fallbackIds: readonly (number | undefined)[] | undefined;
  readonly #cache = new Map<string, number[]>();
  /** Ids of characters that were met. */
  readonly #symbols = new Map<string, number>();

  /** In steps. @throws MoloraError `tokenizer_invalid` where the model uses what is not supported. */
  static *of(model: BpeModel, options: BpeOptions): Generator<undefined, Bpe> {
    return new Bpe(model, options, yield* MergeRanks.of(model.merges, options.withheld));
  }

  private constructor(model: BpeModel, { withheld, byteSpelling, idOf }: BpeOptions, ranks: MergeRanks) {
    this.#vocabulary = model.vocab;
    this.#withheld = withheld;
    this.#ranks = ranks;
    this.#takesWhole = flag(model, "ignore_merges");
    this.fusesUnknown = flag(model, "fuse_unk");
    this.unknownId = unknownToken(model, idOf);
    this.#byteSpelling = byteSpelling;
    this.#byteIds = byteSpelling?.map((character) => this.#idOf(character));
    if (flag(model, "byte_fallback")) {
      this.#fallbackIds = Array.from({ length: 256 }, (_, byte) => model.vocab.idOf(fallbackName(byte)));
    }
    refuseAffixes(model);
    this.vanishing = this.#vanishing();
  }

  /** Appends the piece's ids to `out`. Yields between steps; what is done in between is the caller's to say. */
  *encode(piece: string, out: number[]): Generator<undefined, void> {
    const whole = this.#takesWhole && piece.length <= this.#vocabulary.longest ? this.#whole(piece) : undefined;
    if (whole !== undefined) {
      out.push(...whole);
      return;
    }
    const symbols = this.#byteIds === undefined ? yield* this.#characters(piece) : yield* this.#bytes(piece);
    yield* this.#merge(symbols, out);
  }

  /** The ids of a short piece, as nearly all are, at once; undefined: it is a long one. */
  short(piece: string): readonly number[] | undefined {
    if (piece.length > SHORT) return undefined;
    let ids = this.#cache.get(piece);
    if (ids === undefined) {
      ids = this.#takesWhole ? this.#whole(piece) : undefined;
      ids ??= this.#mergeShort(piece);
      this.#remember(piece, ids);
    }
    return ids;
  }

  #whole(piece: string): number[] | undefined {
    const id = this.#idOf(this.#spelt(piece));
    return id === undefined ? undefined : [id];
  }

  #idOf(token: string): number | undefined {
    const id = this.#vocabulary.idOf(token);
    return id === undefined || this.#withheld.has(id) ? undefined : id;
  }

  /** As #merge: for a few symbols, looking at all of them again is faster than keeping a queue. */
  #mergeShort(piece: string): number[] {
    const symbols =
      this.#byteIds === undefined
        ? Array.from(piece, (character) => this.#symbol(character))
        : Array.from(utf8(piece), (byte) => this.#byteIds![byte] ?? -1);
    for (;;) {
      let at = -1;
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i + 1 < symbols.length; i++) {
        const rank = this.#ranks.rankOf(symbols[i]!, symbols[i + 1]!);
        if (rank >= 0 && rank < least) {
          least = rank;
          at = i;
        }
      }
      if (at < 0) break;
      symbols.splice(at, 2, this.#ranks.merged(least));
    }
    const ids: number[] = [];
    for (const symbol of symbols) this.#append(symbol, ids);
    return ids;
  }

  #vanishing(): RegExp | "none" | "any" {
    // An unknown character is a token of its own, unless unknown ones in a row are one.
    if (this.unknownId !== undefined && !this.fusesUnknown) return "none";
    const bytes = this.#byteIds ?? this.#fallbackIds;
    return bytes === undefined ? "any" : vanishing([...bytes.keys()].filter((byte) => bytes[byte] === undefined));
  }

  #spelt(piece: string): string {
    if (this.#byteSpelling === undefined) return piece;
    return Array.from(utf8(piece), (byte) => this.#byteSpelling![byte]).join("");
  }

  #remember(piece: string, ids: number[]): void {
    if (this.#cache.size >= CACHED_PIECES) {
      for (const oldest of this.#cache.keys()) {
        this.#cache.delete(oldest);
        break;
      }
    }
    this.#cache.set(piece, ids);
  }

  *#bytes(piece: string): Generator<undefined, Int32Array> {
    const bytes = utf8(piece);
    const symbols = new Int32Array(bytes.length);
    for (let i = 0; i < bytes.length; i++) {
      symbols[i] = this.#byteIds![bytes[i]!] ?? -1;
      if ((i + 1) % (8 * STEP) === 0) yield;
    }
    return symbols;
  }

  /** The id of a character; without a token, −1 − its code point. */
  #symbol(character: string): number {
    let symbol = this.#symbols.get(character);
    if (symbol === undefined) {
      if (this.#symbols.size >= CACHED_PIECES) this.#symbols.clear();
      symbol = this.#idOf(character) ?? -1 - character.codePointAt(0)!;
      this.#symbols.set(character, symbol);
    }
    return symbol;
  }

  *#characters(piece: string): Generator<undefined, Int32Array> {
    const symbols = new Int32Array(piece.length);
    let count = 0;
    for (const character of piece) {
      symbols[count++] = this.#symbol(character);
      if (count % STEP === 0) yield;
    }
    return symbols.subarray(0, count);
  }

  /** `symbols` is used up: each merge writes the left one and unlinks the right one. */
  *#merge(symbols: Int32Array, out: number[]): Generator<undefined, void> {
    const { length } = symbols;
    const next = new Int32Array(length);
    const previous = new Int32Array(length);
    const queue = new MergeQueue();
    let work = 0;
    const propose = (left: number): void => {
      const right = next[left]!;
      const rank = right < length ? this.#ranks.rankOf(symbols[left]!, symbols[right]!) : -1;
      // Rank first, then place: both in one number, which a double holds exactly.
      if (rank >= 0) queue.push(rank * length + left);
    };
    for (let i = 0; i < length; i++) {
      next[i] = i + 1;
      previous[i] = i - 1;
      if (i > 0) propose(i - 1);
      if (++work % STEP === 0) yield;
    }
    for (let key = queue.pop(); key !== undefined; key = queue.pop()) {
      if (++work % STEP === 0) yield;
      const left = key % length;
      const rank = (key - left) / length;
      const right = next[left]!;
      // A proposal outlives its symbols: it holds while they still merge at this rank.
      if (right === GONE || right >= length || this.#ranks.rankOf(symbols[left]!, symbols[right]!) !== rank) continue;
      symbols[left] = this.#ranks.merged(rank);
      const behind = next[right]!;
      next[left] = behind;
      next[right] = GONE;
      if (behind < length) {
        previous[behind] = left;
        propose(left);
      }
      if (previous[left]! >= 0) propose(previous[left]!);
    }
    for (let at = 0; at < length; at = next[at]!) {
      this.#append(symbols[at]!, out);
      if (++work % STEP === 0) yield;
    }
  }

  #append(symbol: number, out: number[]): void {
    if (symbol >= 0) {
      out.push(symbol);
      return;
    }
    if (this.#fallbackIds !== undefined && this.#byteIds === undefined) {
      const bytes = Array.from(utf8(String.fromCodePoint(-1 - symbol)), (byte) => this.#fallbackIds![byte]);
      if (bytes.every((id) => id !== undefined)) {
        out.push(...bytes);
        return;
      }
    }
    if (this.unknownId !== undefined) out.push(this.unknownId);
  }
}

/** In `next`: merged into its left neighbour. */
const GONE = -1;
