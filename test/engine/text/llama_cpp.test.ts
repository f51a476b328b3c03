// GGUF tokenizers of every kind on 2,400 strings against llama.cpp, and against the tokenizer.json that each was made of.
// Where those two differ, tokenizer.json is what the model was trained with: llama.cpp leaves Qwen's NFC out, knows the case
// of ASCII letters alone in Tekken's and GPT-4o's patterns, and merges Gemma's added runs of spaces.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loadTokenizer } from "../../../engine/text/tokenizer.ts";
import { digest, GGUF_KINDS, ggufKind, packed } from "./kinds.ts";

const strings = packed<string[]>("strings");
const llamaCpp = packed<Record<string, string>>("llama_cpp");

for (const [kind, pre] of GGUF_KINDS) {
  test(`${kind}: tokenizer.ggml.pre ${pre ?? "none, scores"}`, () => {
    const metadata = new Map(Array.from(ggufKind(kind, pre), ([key, { value }]) => [key, value]));
    const gguf = loadTokenizer({ kind: "gguf", metadata: metadata as never });
    const file = packed<{ tokenizer: Record<string, unknown> }>(kind).tokenizer;
    const own = loadTokenizer({ kind: "hf", tokenizer: file, tokenizerConfig: undefined, chatTemplate: undefined });
    const theirs = Buffer.from(llamaCpp[pre ?? kind], "base64")
      .toString("hex")
      .match(/.{4}/g)!;
    assert.equal(theirs.length, strings.length);
    const ids = strings.map((text) => gguf.encode(text, { addBos: false }).join(","));
    // A table of characters is SentencePiece's in a GGUF; `tokenizers` takes what joins a character of it along.
    const alike = (text: string) => kind !== "t5" || !/(?:[ﬁ½①Ⅷ１２ſ\s\u200b]|\u0301)[\p{M}\u200d]/u.test(text);
    const wrong = strings.filter((text, i) => alike(text) && ids[i] !== own.encode(text, { addBos: false }).join(","));
    assert.deepEqual(wrong.slice(0, 5), [], `${wrong.length} differ from tokenizer.json`);
    const same = ids.filter((found, i) => digest(found) === theirs[i]).length;
    console.log(`${pre ?? kind}: ${same} of ${strings.length} as llama.cpp`);
    assert.ok(same >= 2000, `${same} as llama.cpp`);
  });
}
