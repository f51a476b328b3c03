// Text to token ids and back, for byte-level and SentencePiece-style BPE and for Unigram.
// Files (files/model_files), chat templates (chat_template.ts) and streams (detokenizer.ts) are others' business.

import type { TokenizerFiles } from "../../files/model_files/model_files.ts";
import { MoloraError } from "../../proto/errors.ts";
import { Encoder } from "./encoder.ts";
import { tokenizerInvalid } from "./fields.ts";
import { ggufSpec } from "./gguf.ts";
import { huggingFaceSpec } from "./huggingface.ts";
import { controlTokens, type TokenizerSpec } from "./spec.ts";
import { tekkenSpec } from "./tekken.ts";
import { type TokenBytes, tokenBytes } from "./token_bytes.ts";

export interface EncodeOptions {
  /**
   * Whether special tokens spelt out in the text become those tokens, as transformers does it, templates need it, and
   * any text can then say (default); or are encoded as the characters they are spelt with.
   */
  special?: boolean;
  /**
   * Beginning of sequence. Default: what the tokenizer's files say goes around a text. `true`: BOS first in any case.
   * `false`: nothing around it, as for a rendered chat template, which brings its own.
   */
  addBos?: boolean;
  /**
   * A character that breaks the special token it stands in and is no part of the text: of those spelt out in the text,
   * only whole ones become special tokens (guard.ts). Outweighs `special`.
   */
  mark?: string;
  /** Stop once there are more ids than this, with the ids so far. */
  atMost?: number;
}

export interface DecodeOptions {
  /** Leave special tokens out. Default: false. */
  skipSpecial?: boolean;
  /** The ids continue other text: keep the leading space that a SentencePiece text loses at its start. Default: false. */
  continuation?: boolean;
}

export interface Tokenizer {
  /** One more than the highest id. A model's logits may have more rows: ids without a token decode to nothing. */
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  /** Control tokens: those `skipSpecial` leaves out. */
  readonly specialIds: ReadonlySet<number>;
  /** Jinja source, for chat_template.ts. */
  readonly chatTemplate: string | undefined;
  /** The same for conversations with tools: the model's own for that, else `chatTemplate`. */
  readonly toolTemplate: string | undefined;
  /** A decoded text loses one leading space, the dummy prefix SentencePiece encoding put there. */
  readonly trimsLeadingSpace: boolean;
  /** Control tokens as they are spelt, for guard.ts: special ones, BOS, EOS and whatever has the look of them. */
  readonly controlTexts: readonly string[];
  encode(text: string, options?: EncodeOptions): number[];
  /** The same in steps of about a millisecond: each `next()` does one, the last returns the ids. */
  encoding(text: string, options?: EncodeOptions): Generator<undefined, number[]>;
  /**
   * Most UTF-16 units of a text that has `tokens` tokens, those aside that it has no tokens for (`vanishing`). Infinity
   * where length says nothing, as much may vanish.
   */
  mostCharacters(tokens: number): number;
  /** UTF-16 units of the text that no token stands for. */
  vanishing(text: string): number;
  /** Malformed UTF-8 becomes U+FFFD. */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** As the vocabulary spells it ("Ġthe", "▁the", "<0x0A>"); "" for an id without a token. */
  tokenText(id: number): string;
  /** What the token adds to a text; not always whole characters. Empty for an id without a token. */
  idBytes(id: number): Uint8Array;
  /** A tokenizer of what `change` makes of this one's description. In steps. @throws MoloraError `tokenizer_invalid` */
  extended(change: (spec: TokenizerSpec) => Generator<undefined, TokenizerSpec>): Generator<undefined, Tokenizer>;
}

/**
 * What loads also encodes: every part of the files is checked here, and a text of many kinds of characters is tried. In steps
 * of about a millisecond: each `next()` does one, the last returns the tokenizer.
 *
 * @throws MoloraError `tokenizer_invalid`, naming what is missing, malformed or unsupported. Nothing else.
 */
export function loadingTokenizer(files: TokenizerFiles): Generator<undefined, Tokenizer> {
  return triedTokenizer(() => specOf(files));
}

/** The same at once. @throws MoloraError `tokenizer_invalid` */
export function loadTokenizer(files: TokenizerFiles): Tokenizer {
  return lastOf(loadingTokenizer(files));
}

/** What steps come to, without a pause. */
export function lastOf<T>(steps: Generator<undefined, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

function* triedTokenizer(spec: () => Generator<undefined, TokenizerSpec>): Generator<undefined, Tokenizer> {
  try {
    const described = yield* spec();
    const tokenizer = new BpeTokenizer(described, yield* Encoder.of(described));
    yield;
    tryOut(tokenizer);
    return tokenizer;
  } catch (cause) {
    if (MoloraError.is(cause)) throw cause;
    throw tokenizerInvalid(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function specOf(files: TokenizerFiles): Generator<undefined, TokenizerSpec> {
  if (files.kind === "gguf") return ggufSpec(files.metadata, files);
  return files.kind === "tekken"
    ? tekkenSpec(files.tekken, files)
    : huggingFaceSpec(files.tokenizer, files.tokenizerConfig, files);
}

/** Words, numbers, white space, control characters, characters of one to four bytes. */
const TRIED = "Once upon a time, it's 1234.5\t\u0000 \n\n  été 你好 😀 <|x|> <0x0A> </s>";

function tryOut(tokenizer: Tokenizer): void {
  for (const special of [true, false]) {
    const ids = tokenizer.encode(TRIED, { special });
    const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= tokenizer.vocabSize);
    if (wrong !== undefined) throw tokenizerInvalid(`a text becomes ${wrong}, which is no token`);
    tokenizer.decode(ids);
  }
}

class BpeTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly specialIds: ReadonlySet<number>;
  readonly controlTexts: readonly string[];
  readonly chatTemplate: string | undefined;
  readonly toolTemplate: string | undefined;
  readonly #spec: TokenizerSpec;
  readonly #addedIds: ReadonlySet<number>;
  readonly #tokenBytes: TokenBytes;
  readonly #bytes: (Uint8Array | undefined)[] = [];
  readonly #encoder: Encoder;

  constructor(spec: TokenizerSpec, encoder: Encoder) {
    const added = spec.json.added_tokens;
    this.#spec = spec;
    this.vocabSize = spec.tokens.length;
    this.bosId = spec.bosId;
    this.eosId = spec.eosId;
    this.chatTemplate = spec.chatTemplate;
    this.toolTemplate = spec.toolTemplate ?? spec.chatTemplate;
    this.specialIds = new Set(added.filter((token) => token.special).map((token) => token.id));
    this.#addedIds = new Set(added.map((token) => token.id));
    this.controlTexts = controlTokens(spec).map((token) => token.content);
    this.#tokenBytes = tokenBytes(spec.json.decoder);
    this.#encoder = encoder;
  }

  get trimsLeadingSpace(): boolean {
    return this.#tokenBytes.trimsLeadingSpace;
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    return lastOf(this.encoding(text, options));
  }

  *encoding(
    text: string,
    { special = true, addBos, mark, atMost }: EncodeOptions = {},
  ): Generator<undefined, number[]> {
    if (text === "" && addBos === false) return [];
    const spelt = mark === undefined ? (special ? "all" : "none") : { mark };
    const ids: number[] = [];
    yield* this.#encoder.encode(text, spelt, addBos !== false, ids, atMost ?? Number.POSITIVE_INFINITY);
    if (!addBos || ids[0] === this.bosId) return ids;
    if (this.bosId === undefined) throw tokenizerInvalid("BOS is asked for, but this tokenizer has none");
    return [this.bosId, ...ids];
  }

  extended(change: (spec: TokenizerSpec) => Generator<undefined, TokenizerSpec>): Generator<undefined, Tokenizer> {
    return triedTokenizer(() => change(this.#spec));
  }

  mostCharacters(tokens: number): number {
    return tokens * this.#encoder.longest;
  }

  vanishing(text: string): number {
    return this.#encoder.vanishing(text);
  }

  decode(ids: readonly number[], { skipSpecial = false, continuation = false }: DecodeOptions = {}): string {
    const pieces = ids.filter((id) => !(skipSpecial && this.specialIds.has(id))).map((id) => this.idBytes(id));
    const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    return this.trimsLeadingSpace && !continuation && text.startsWith(" ") ? text.slice(1) : text;
  }

  tokenText(id: number): string {
    return this.#spec.tokens.at(id) ?? "";
  }

  idBytes(id: number): Uint8Array {
    const known = this.#bytes[id];
    if (known !== undefined) return known;
    const token = this.#spec.tokens.at(id);
    if (token === undefined) return NO_BYTES;
    const bytes = this.#addedIds.has(id) ? this.#tokenBytes.added(token) : this.#tokenBytes.bytes(token);
    this.#bytes[id] = bytes;
    return bytes;
  }
}

const NO_BYTES = new Uint8Array(0);
