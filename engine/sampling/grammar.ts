// What a text may be (JSON, JSON of a schema, a call of a tool), compiled for one tokenizer by XGrammar.
// It knows nothing of requests or of the device; constraint.ts walks a compiled grammar along one sequence.

import type * as XGrammar from "@mlc-ai/web-xgrammar";
import { MoloraError } from "../../proto/errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { Constraint } from "./constraint.ts";
import { spellRanges } from "./integer_ranges.ts";
import { withinJson } from "./json_strings.ts";
import { checkSchema, schemaInvalid } from "./schema.ts";

export type GrammarLibrary = Pick<typeof XGrammar, "Grammar" | "GrammarCompiler" | "GrammarMatcher" | "TokenizerInfo">;

/** A fresh instance of the library, and what it wrote to its console. */
export interface GrammarInstance {
  library: GrammarLibrary;
  said: string[];
}

/** The language a text is held to: JSON that fits a schema, between two given texts. */
export interface GrammarSource {
  schema: Record<string, unknown>;
  /** Objects have the properties the schema names and no others. */
  strict: boolean;
  before: string;
  after: string;
}

export interface GrammarParts {
  /** Undefined where the host has no grammar library. */
  open: (() => Promise<GrammarInstance>) | undefined;
  tokenizer: Tokenizer;
  /** Rows of the model's logits. */
  vocabSize: number;
}

/** Compiling takes time that grows with the schema, and the process waits for it. */
const LONGEST_SCHEMA = 64 * 1024;
const KEPT = 32;
/** As `indent`. */
const ONE_LINE = -1;

interface Compiler {
  instance: GrammarInstance;
  compiler: XGrammar.GrammarCompiler;
}

export class Grammars {
  readonly #parts: GrammarParts;
  #compiler: Promise<Compiler> | undefined;
  /** The last grammars used, oldest first. */
  readonly #compiled = new Map<string, XGrammar.CompiledGrammar>();

  constructor(parts: GrammarParts) {
    this.#parts = parts;
  }

  /**
   * A constraint at the start of a text. `endIds` are allowed where the text is complete.
   * @throws MoloraError `schema_invalid` where the schema cannot be compiled, or nothing fits it.
   */
  async begin(source: GrammarSource, endIds: readonly number[]): Promise<Constraint> {
    const opened = await this.#open();
    const { instance } = opened;
    try {
      const compiled = await this.#compile(opened, source);
      const matcher = await instance.library.GrammarMatcher.createGrammarMatcher(compiled, [...endIds]);
      return await Constraint.begin(matcher);
    } catch (thrown) {
      const reasons = instance.said.splice(0);
      if (thrown instanceof MoloraError) throw thrown;
      // The library aborts on what it cannot compile, and its memory is then not to be relied on: the next one starts anew.
      this.#compiler = undefined;
      this.#compiled.clear();
      throw schemaInvalid(readable(reasons) ?? (thrown instanceof Error ? thrown.message : String(thrown)));
    }
  }

  #open(): Promise<Compiler> {
    this.#compiler ??= this.#start().catch((error: unknown) => {
      this.#compiler = undefined;
      throw error;
    });
    return this.#compiler;
  }

  async #start(): Promise<Compiler> {
    const { open, tokenizer, vocabSize } = this.#parts;
    if (open === undefined) {
      throw new MoloraError(
        "bad_request",
        "constrained decoding needs a grammar library, which this host has none of",
        {
          remedy: "Leave out responseFormat and toolChoice, or run in Node.",
        },
      );
    }
    const instance = await open();
    const { TokenizerInfo, GrammarCompiler } = instance.library;
    const info = await TokenizerInfo.createTokenizerInfo(vocabulary(tokenizer), "byte_level", false, vocabSize, []);
    return { instance, compiler: await GrammarCompiler.createGrammarCompiler(info, false) };
  }

  async #compile({ instance, compiler }: Compiler, source: GrammarSource): Promise<XGrammar.CompiledGrammar> {
    const key = JSON.stringify(source);
    if (key.length > LONGEST_SCHEMA) {
      throw schemaInvalid(`it takes ${key.length} characters, at most ${LONGEST_SCHEMA} are compiled`);
    }
    const known = this.#compiled.get(key);
    this.#compiled.delete(key);
    const compiled = known ?? (await compile(instance.library, compiler, source));
    // A warning tells of a part of the schema that was left out.
    const left = readable(instance.said.splice(0));
    if (left !== undefined) throw schemaInvalid(left);
    this.#compiled.set(key, compiled);
    const [oldest] = this.#compiled.keys();
    if (this.#compiled.size > KEPT) this.#forget(oldest);
    return compiled;
  }

  /** Sequences that still follow it hold it by themselves. */
  #forget(key: string): void {
    this.#compiled.get(key)?.dispose();
    this.#compiled.delete(key);
  }
}

/**
 * JSON is written on one line with ", " and ": ", as Python writes it and models have mostly read it; where any white
 * space was allowed, a small model would write it for ever.
 */
async function compile(
  { Grammar }: GrammarLibrary,
  compiler: XGrammar.GrammarCompiler,
  { schema, strict, before, after }: GrammarSource,
): Promise<XGrammar.CompiledGrammar> {
  checkSchema(schema);
  const json = await Grammar.fromJSONSchema(JSON.stringify(spellRanges(schema)), false, ONE_LINE, undefined, strict);
  try {
    const parts = [before, after].map((text) => JSON.stringify(text));
    return await compiler.compileGrammar(
      `${withinJson(json.toString())}\nwhole ::= ${parts[0]} root ${parts[1]}\n`,
      "whole",
    );
  } finally {
    json.dispose();
  }
}

/** Every token as byte-level BPE spells its bytes; "" for those that stand for no text. */
function vocabulary(tokenizer: Tokenizer): string[] {
  return Array.from({ length: tokenizer.vocabSize }, (_, id) =>
    tokenizer.specialIds.has(id) ? "" : Array.from(tokenizer.idBytes(id), (byte) => BYTE_LEVEL[byte]).join(""),
  );
}

/** GPT-2's alphabet of bytes: printable Latin-1 as it is, the others from U+0100 on. */
const BYTE_LEVEL: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCodePoint(printable ? byte : next++);
  });
})();

/** The library's words without the place in its source: "[FATAL] file.cc:12: Unsupported type". */
function readable(said: readonly string[]): string | undefined {
  const line = said.findLast((text) => /^\[(FATAL|WARNING)\]/.test(text));
  return line?.replace(/^\[\w+\] \S*:\d+: (Check failed: \(.*?\) is false: )?/, "").slice(0, 300);
}
