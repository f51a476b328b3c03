// Reads a tokenizer.json in steps: vocabulary and merges, which are nearly all of it, as bytes; the rest as JSON.parse has it.
// What is malformed or unusual is left to JSON.parse, so that all that it takes is taken and all that it refuses refused.

import { sliced } from "../slices.ts";
import type { TextList } from "../text_list.ts";
import { Irregular, JsonScanner } from "./json_scanner.ts";

/** `model.vocab` of a BPE tokenizer: tokens, and the id of each. */
export class JsonVocabulary {
  readonly texts: TextList;
  readonly ids: Int32Array;

  constructor(texts: TextList, ids: Int32Array) {
    this.texts = texts;
    this.ids = ids;
  }
}

/** `model.merges`: the two tokens of each one after another (`pairs`), or both in one text with a space between. */
export class JsonMerges {
  readonly texts: TextList;
  readonly pairs: boolean;

  constructor(texts: TextList, pairs: boolean) {
    this.texts = texts;
    this.pairs = pairs;
  }
}

/** The file's value, with `model.vocab` and `model.merges` as above where they are regular. @throws SyntaxError where it is no JSON */
export async function parseTokenizerJson(bytes: Uint8Array): Promise<unknown> {
  const parts = await sliced(largeParts(bytes));
  if (parts.length === 0) return JSON.parse(new TextDecoder().decode(bytes));
  let [rest, done] = ["", 0];
  for (const { start, end } of parts) {
    rest += `${new TextDecoder().decode(bytes.subarray(done, start))}null`;
    done = end;
  }
  const json = JSON.parse(rest + new TextDecoder().decode(bytes.subarray(done))) as { model: Record<string, unknown> };
  for (const { name, value } of parts) json.model[name] = value;
  return json;
}

interface Part {
  name: "vocab" | "merges";
  /** Where it stands in the file. */
  start: number;
  end: number;
  value: JsonVocabulary | JsonMerges;
}

/** Those of the one `model` of the file, each there once; none where anything is out of the ordinary. */
function* largeParts(bytes: Uint8Array): Generator<undefined, Part[]> {
  const scanner = new JsonScanner(bytes);
  const parts: Part[] = [];
  try {
    let models = 0;
    for (const name of scanner.members()) {
      if (name !== "model" || !scanner.isAt("{")) {
        yield* scanner.skip();
        continue;
      }
      models++;
      for (const field of scanner.members()) {
        const start = scanner.at;
        if (field === "vocab" && scanner.isAt("{")) {
          const value = yield* vocabularyOf(scanner);
          parts.push({ name: field, start, end: scanner.at, value });
        } else if (field === "merges" && scanner.isAt("[")) {
          const value = yield* mergesOf(scanner);
          parts.push({ name: field, start, end: scanner.at, value });
        } else yield* scanner.skip();
      }
    }
    return models === 1 && new Set(parts.map(({ name }) => name)).size === parts.length ? parts : [];
  } catch (error) {
    if (error instanceof Irregular) return [];
    throw error;
  }
}

/** Values between two steps. */
const STEP = 1 << 13;

function* vocabularyOf(scanner: JsonScanner): Generator<undefined, JsonVocabulary> {
  const texts = scanner.texts();
  const ids: number[] = [];
  scanner.open("{");
  while (!scanner.closes("}", ids.length > 0)) {
    texts.take();
    scanner.colon();
    ids.push(scanner.naturalNumber());
    if (ids.length % STEP === 0) yield;
  }
  return new JsonVocabulary(texts.list(), Int32Array.from(ids));
}

function* mergesOf(scanner: JsonScanner): Generator<undefined, JsonMerges> {
  const texts = scanner.texts();
  scanner.open("[");
  let count = 0;
  let pairs = false;
  for (; !scanner.closes("]", count > 0); count++) {
    if (count === 0) pairs = scanner.isAt("[");
    if (pairs) {
      scanner.open("[");
      for (let i = 0; !scanner.closes("]", i > 0); i++) texts.take();
      if (texts.count !== 2 * (count + 1)) throw new Irregular();
    } else texts.take();
    if (count % STEP === STEP - 1) yield;
  }
  return new JsonMerges(texts.list(), pairs);
}
