// Random texts under a schema, token by token as the matcher allows them, with nano's vocabulary.

import { Matcher } from "../../../engine/sampling/matcher/matcher.ts";
import { tokenList } from "../../../engine/sampling/matcher/token_list.ts";
import { Vocabulary } from "../../../engine/sampling/matcher/vocabulary.ts";
import type { GrammarSource } from "../../../engine/sampling/schema/source.ts";
import { compileSource } from "../../../engine/sampling/schema/source.ts";
import { loadTokenizer } from "../../../engine/text/tokenizer.ts";
import { openModelFiles } from "../../../files/model_files/model_files.ts";
import { openPath } from "../../../node/files.ts";
import { random } from "../../random.ts";

const files = await openModelFiles(await openPath("models/nano"));
export const tokenizer = loadTokenizer(files.tokenizerFiles);
export const { vocabSize, eosIds } = files.config;
export const vocabulary = new Vocabulary(tokenList(tokenizer, vocabSize));

export function sourceOf(schema: Record<string, unknown>, strict = true): GrammarSource {
  return { options: [{ before: "", schema, after: "" }], strict, before: "", after: "" };
}

export function idsOf(mask: Uint32Array): number[] {
  const ids: number[] = [];
  for (let id = 0; id < vocabSize; id++) if ((mask[id >> 5] >>> (id & 31)) & 1) ids.push(id);
  return ids;
}

/**
 * A finished text: at each token an end, or what closes a string, an array or an object, is taken more often than
 * chance has it. Undefined after `most` tokens.
 *
 * @throws where no token is allowed.
 */
export function finishedText(matcher: Matcher, seed: number, most = 300): string | undefined {
  const next = random(seed);
  const bytes: number[] = [];
  let text = matcher.begin();
  for (let i = 0; i < most; i++) {
    const ids = idsOf(matcher.mask(text, eosIds));
    if (ids.length === 0) throw new Error(`stuck after ${new TextDecoder().decode(Uint8Array.from(bytes))}`);
    const ends = ids.filter((id) => eosIds.includes(id));
    if (ends.length > 0 && (ends.length === ids.length || next() < 0.5)) {
      return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
    }
    const others = ids.filter((id) => !eosIds.includes(id));
    const closing = others.filter((id) => CLOSING.has(vocabulary.bytesOf(id)[0]) && vocabulary.bytesOf(id).length <= 2);
    const among = closing.length > 0 && next() < 0.2 + i / most ? closing : others;
    const id = among[Math.floor(next() * among.length)];
    bytes.push(...vocabulary.bytesOf(id));
    const after = matcher.accept(text, id);
    if (after === undefined) throw new Error(`token ${id} was allowed and is refused`);
    text = after;
  }
  return undefined;
}

const CLOSING = new Set([...'"]}'].map((char) => char.charCodeAt(0)));

export function matcherOf(schema: Record<string, unknown>, strict = true): Matcher {
  return new Matcher(compileSource(sourceOf(schema, strict)), vocabulary);
}
