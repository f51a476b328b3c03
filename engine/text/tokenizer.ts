// Text to token ids and back, for byte-level and SentencePiece-style BPE.
// It knows nothing of files (weights/model_files.ts), of chat templates (chat_template.ts) or of streams (detokenizer.ts).

import { Tokenizer as Library } from "@huggingface/tokenizers";
import type { TokenizerFiles } from "../../files/model_files/model_files.ts";
import { ggufSpec } from "./gguf.ts";
import { huggingFaceSpec } from "./huggingface.ts";
import { type TokenizerSpec, tokenizerInvalid } from "./spec.ts";
import { type TokenBytes, tokenBytes, utf8 } from "./token_bytes.ts";

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
  /** A decoded text loses one leading space, the dummy prefix SentencePiece encoding put there. */
  readonly trimsLeadingSpace: boolean;
  encode(text: string, options?: EncodeOptions): number[];
  /** Malformed UTF-8 becomes U+FFFD. */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** As the vocabulary spells it ("Ġthe", "▁the", "<0x0A>"); "" for an id without a token. */
  tokenText(id: number): string;
  /** What the token adds to a text; not always whole characters. Empty for an id without a token. */
  idBytes(id: number): Uint8Array;
}

/** Throws `tokenizer_invalid`, naming what is missing, malformed or unsupported. */
export function loadTokenizer(files: TokenizerFiles): Tokenizer {
  return new BpeTokenizer(
    files.kind === "hf"
      ? huggingFaceSpec(files.tokenizer, files.tokenizerConfig, files.chatTemplate)
      : ggufSpec(files.metadata),
  );
}

class BpeTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly specialIds: ReadonlySet<number>;
  readonly chatTemplate: string | undefined;
  readonly #spec: TokenizerSpec;
  readonly #addedIds: ReadonlySet<number>;
  readonly #tokenBytes: TokenBytes;
  readonly #bytes: (Uint8Array | undefined)[] = [];
  readonly #library: Library;
  /** Takes special tokens for ordinary text; built when first asked for. */
  #plainLibrary: Library | undefined;

  constructor(spec: TokenizerSpec) {
    const added = spec.json.added_tokens;
    this.#spec = spec;
    this.vocabSize = spec.tokens.length;
    this.bosId = spec.bosId;
    this.eosId = spec.eosId;
    this.chatTemplate = spec.chatTemplate;
    this.specialIds = new Set(added.filter((token) => token.special).map((token) => token.id));
    this.#addedIds = new Set(added.map((token) => token.id));
    this.#tokenBytes = tokenBytes(spec.json.decoder);
    this.#library = build(spec);
  }

  get trimsLeadingSpace(): boolean {
    return this.#tokenBytes.trimsLeadingSpace;
  }

  encode(text: string, { special = true, addBos }: EncodeOptions = {}): number[] {
    if (text === "" && addBos === false) return [];
    const library = special ? this.#library : this.#plain();
    const { ids } = library.encode(text, { add_special_tokens: addBos !== false });
    if (!addBos || ids[0] === this.bosId) return ids;
    if (this.bosId === undefined) throw tokenizerInvalid("BOS is asked for, but this tokenizer has none");
    return [this.bosId, ...ids];
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
    return this.#spec.tokens[id] ?? "";
  }

  idBytes(id: number): Uint8Array {
    const token = this.#spec.tokens[id];
    if (token === undefined) return NO_BYTES;
    this.#bytes[id] ??= this.#addedIds.has(id) ? utf8(token) : this.#tokenBytes.bytes(token);
    return this.#bytes[id];
  }

  #plain(): Library {
    const added = this.#spec.json.added_tokens.filter((token) => !token.special);
    this.#plainLibrary ??= build({ ...this.#spec, json: { ...this.#spec.json, added_tokens: added } });
    return this.#plainLibrary;
  }
}

const NO_BYTES = new Uint8Array(0);

function build(spec: TokenizerSpec): Library {
  try {
    return new Library(spec.json, {});
  } catch (cause) {
    throw tokenizerInvalid(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
