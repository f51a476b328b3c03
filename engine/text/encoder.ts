// Text to ids: special tokens found, the rest normalized, cut and merged. Lazily, so that it can be done in steps.

import { type Section, sought, TokenFinder } from "./added_tokens.ts";
import { Bpe } from "./bpe.ts";
import { tokenizerInvalid } from "./fields.ts";
import { type Normalizer, normalizer } from "./normalizer.ts";
import type { PieceModel } from "./piece_model.ts";
import { type PreTokenizer, preTokenizer } from "./pre_tokenizer.ts";
import { type AddedToken, controlTokens, type TokenizerSpec } from "./spec.ts";
import { type Surroundings, surroundings } from "./surroundings.ts";
import { byteSpelling } from "./token_bytes.ts";
import { Unigram } from "./unigram.ts";

/** Which control tokens a text may spell out: all, none, or those that no `mark` breaks. */
export type Spelt = "all" | "none" | { mark: string };

/** Characters worked through between two steps. */
const STEP = 2048;

/** Tokens as they are looked for: in the text as given, and in the text once normalized. */
interface Finders {
  given: TokenFinder;
  normalized: TokenFinder;
}

export class Encoder {
  /** UTF-16 units of text the longest token can stand for; Infinity where any of them may vanish. */
  readonly longest: number;
  readonly #normalizer: Normalizer | undefined;
  readonly #preTokenizer: PreTokenizer;
  readonly #model: PieceModel;
  readonly #surroundings: Surroundings;
  readonly #all: Finders;
  readonly #ordinary: Finders;
  readonly #control: TokenFinder;
  #work = 0;

  /** In steps. @throws MoloraError `tokenizer_invalid` for a part that is malformed or of an unsupported kind. */
  static *of(spec: TokenizerSpec): Generator<undefined, Encoder> {
    const cutter = preTokenizer(spec.json.pre_tokenizer);
    const spelling = cutter.byteLevel ? byteSpelling : undefined;
    return new Encoder(spec, cutter, yield* pieceModel(spec, spelling));
  }

  private constructor(spec: TokenizerSpec, cutter: PreTokenizer, model: PieceModel) {
    const { added_tokens: added } = spec.json;
    const control = controlTokens(spec);
    this.#normalizer = normalizer(spec.json.normalizer);
    this.#preTokenizer = cutter;
    this.#model = model;
    this.#surroundings = surroundings(spec.json.post_processor, (token) => spec.tokens.idOf(token));
    this.#all = this.#finders(added);
    this.#ordinary = this.#finders(added.filter((token) => !control.includes(token)));
    this.#control = new TokenFinder(control.map((token) => sought(token)));
    const covers = this.#model.vanishing !== "any" && this.#preTokenizer.keepsAll && !added.some(strips);
    this.longest = covers
      ? Math.max(1, spec.tokens.longest) * (this.#normalizer?.shrinks ?? 1)
      : Number.POSITIVE_INFINITY;
  }

  /** UTF-16 units that no token can stand for. */
  vanishing(text: string): number {
    const { vanishing } = this.#model;
    if (!(vanishing instanceof RegExp)) return 0;
    let units = 0;
    for (const { 0: character } of text.matchAll(vanishing)) units += character.length;
    return units;
  }

  /** Appends to `ids`, and stops soon after there are more than `atMost`. */
  *encode(text: string, spelt: Spelt, surround: boolean, ids: number[], atMost: number): Generator<undefined, void> {
    if (surround) ids.push(...this.#surroundings.before);
    if (typeof spelt === "string") {
      const finders = spelt === "all" ? this.#all : this.#ordinary;
      yield* this.#encodeSections(text, true, finders, ids, atMost);
    } else {
      for (const section of this.#control.find(text)) {
        if (ids.length > atMost) return;
        if ("id" in section) ids.push(section.id);
        else {
          const unmarked = section.text.replaceAll(spelt.mark, "");
          yield* this.#encodeSections(unmarked, section.first, this.#ordinary, ids, atMost);
        }
      }
    }
    if (surround) ids.push(...this.#surroundings.after);
  }

  *#encodeSections(
    text: string,
    first: boolean,
    finders: Finders,
    ids: number[],
    atMost: number,
  ): Generator<undefined, void> {
    for (const section of this.#sections(text, first, finders)) {
      if (ids.length > atMost) return;
      if ("id" in section) {
        ids.push(section.id);
        if (this.#isStep(1)) yield;
        continue;
      }
      const start = ids.length;
      for (const piece of this.#preTokenizer.cut(section.text, section.first)) {
        const short = this.#model.short(piece);
        if (short === undefined) yield* this.#model.encode(piece, ids);
        else for (const id of short) ids.push(id);
        if (this.#isStep(piece.length)) yield;
        if (ids.length > atMost) return;
      }
      if (this.#model.fusesUnknown) fuse(ids, start, this.#model.unknownId);
    }
  }

  *#sections(text: string, first: boolean, finders: Finders): Generator<Section, void> {
    for (const given of finders.given.find(text)) {
      if ("id" in given) {
        yield given;
        continue;
      }
      const normal = this.#normalizer?.normalize(given.text) ?? given.text;
      for (const section of finders.normalized.find(normal)) {
        yield "id" in section ? section : { text: section.text, first: first && given.first };
      }
    }
  }

  #finders(tokens: readonly AddedToken[]): Finders {
    const normalizing = this.#normalizer;
    const isNormalized = (token: AddedToken) => normalizing !== undefined && (token.normalized ?? !token.special);
    return {
      given: new TokenFinder(tokens.filter((token) => !isNormalized(token)).map((token) => sought(token))),
      normalized: new TokenFinder(
        tokens.filter(isNormalized).map((token) => {
          const text = normalizing!.normalize(token.content);
          if (text === "") throw tokenizerInvalid(`the added token ${token.id} is nothing once normalized`);
          return sought(token, text);
        }),
      ),
    };
  }

  #isStep(characters: number): boolean {
    this.#work += characters;
    if (this.#work < STEP) return false;
    this.#work = 0;
    return true;
  }
}

/** The last model made of each description: a tokenizer that only adds tokens to another's has its model too. */
const MODELS = new WeakMap<object, { with: string; model: PieceModel }>();

function* pieceModel(
  spec: TokenizerSpec,
  byteSpelling: readonly string[] | undefined,
): Generator<undefined, PieceModel> {
  const {
    json: { model },
    tokens,
  } = spec;
  const withheld = new Set(controlTokens(spec).map(({ id }) => id));
  const idOf = (token: string) => tokens.idOf(token);
  const has = (id: number) =>
    model.type === "Unigram" ? id < model.vocab.size : model.vocab.idOf(tokens.at(id) ?? "") !== undefined;
  const unknown = typeof model.unk_token === "string" ? idOf(model.unk_token) : undefined;
  const depends = JSON.stringify([[...withheld].filter(has).sort(), byteSpelling !== undefined, unknown]);
  const known = MODELS.get(model);
  if (known?.with === depends) return known.model;
  const made =
    model.type === "Unigram"
      ? new Unigram(model, { withheld })
      : yield* Bpe.of(model, { withheld, byteSpelling, idOf });
  MODELS.set(model, { with: depends, model: made });
  return made;
}

function strips({ lstrip, rstrip }: AddedToken): boolean {
  return lstrip === true || rstrip === true;
}

/** Of unknown tokens in a row, from `start` on, one is left. */
function fuse(ids: number[], start: number, unknown: number | undefined): void {
  let kept = start;
  for (let i = start; i < ids.length; i++) {
    if (i > start && ids[i] === unknown && ids[i - 1] === unknown) continue;
    ids[kept++] = ids[i]!;
  }
  ids.length = kept;
}
