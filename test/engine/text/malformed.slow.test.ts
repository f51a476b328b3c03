// Tokenizer files broken at random, thousands of them: each loads and works, or is refused by a stable code.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { byteSpelling } from "../../../engine/text/token_bytes.ts";
import { loadTokenizer } from "../../../engine/text/tokenizer.ts";
import type { GgufValue } from "../../../files/weights/gguf/gguf.ts";
import { placesIn, replaceAt, tryFiles, tryLoaded, wholeFiles } from "./malformed.ts";

const VALUES: unknown[] = [
  undefined,
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  "",
  "x",
  "<s>",
  "(",
  "\\p{L}",
  [],
  ["x"],
  [["a", "b"]],
  {},
  { type: "x" },
  { type: "Sequence" },
  { type: "Split" },
  { type: "Replace" },
  { type: "Strip" },
  { type: "Metaspace" },
  { type: "WordPiece" },
  { id: "A" },
  { Sequence: {} },
  { SpecialToken: {} },
  { Regex: "(?:" },
  { String: "" },
  { __proto__: null, constructor: "x" },
];

test("one to three parts replaced by what does not belong there", () => {
  const places = placesIn(wholeFiles()).filter((path) => path[2] !== "vocab" || path.length < 4 || path[3] === "he");
  const counts = { works: 0, refused: 0 };
  const change = fc.tuple(fc.nat(places.length - 1), fc.nat(VALUES.length - 1));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      const files = wholeFiles();
      for (const [place, value] of changes) {
        try {
          replaceAt(files, places[place]!, structuredClone(VALUES[value]));
        } catch {
          // an earlier change took the place away
        }
      }
      counts[tryFiles(files)]++;
    }),
    { numRuns: 5000, seed: 18 },
  );
  assert.ok(counts.works > 200 && counts.refused > 1000, JSON.stringify(counts));
});

test("every part replaced by every value", () => {
  const places = placesIn(wholeFiles()).filter((path) => path[2] !== "vocab" || path.length < 4);
  for (const place of places) {
    for (const value of VALUES) {
      const files = wholeFiles();
      replaceAt(files, place, structuredClone(value));
      try {
        tryFiles(files);
      } catch (error) {
        assert.fail(`${place.join(".")} = ${JSON.stringify(value)}: ${(error as Error).stack}`);
      }
    }
  }
});

/** Metadata of a small GGUF of each kind. */
const METADATA: Record<string, GgufValue>[] = [
  {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": ["<s>", "</s>", ...byteSpelling, "he"],
    "tokenizer.ggml.merges": ["h e"],
    "tokenizer.ggml.token_type": [3, 3, ...byteSpelling.map(() => 1), 1],
    "tokenizer.ggml.bos_token_id": 0,
    "tokenizer.ggml.eos_token_id": 1,
    "tokenizer.ggml.add_bos_token": true,
    "tokenizer.ggml.add_eos_token": false,
    "tokenizer.chat_template": wholeFiles().chatTemplate,
  },
  {
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "<0x0A>", "▁", "h", "e", "he", "▁he"],
    "tokenizer.ggml.scores": [0, 0, 0, 0, -1, -2, -3, -4, -5],
    "tokenizer.ggml.token_type": [2, 3, 3, 6, 1, 1, 1, 1, 1],
    "tokenizer.ggml.unknown_token_id": 0,
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.add_space_prefix": true,
  },
];
const GGUF_VALUES: (GgufValue | undefined)[] = [
  undefined,
  "",
  "x",
  "gpt2",
  "llama",
  "qwen2",
  0,
  -1,
  1.5,
  1e9,
  Number.NaN,
  true,
  [],
  ["x"],
  ["a", "b", "ab"],
  [1, 2, 3],
  ["", ""],
  ["a b c", " "],
];

test("a GGUF's metadata, every two keys replaced by every value", () => {
  for (const whole of METADATA) {
    const keys = Object.keys(whole);
    assert.equal(
      tryLoaded(() => loadTokenizer({ kind: "gguf", metadata: new Map(Object.entries(whole)) })),
      "works",
    );
    const pairs = keys.flatMap((first) => keys.map((second) => [first, second] as const));
    for (const [first, second] of pairs) {
      for (const value of GGUF_VALUES) {
        for (const other of first === second ? [value] : GGUF_VALUES) {
          const changed = { ...whole, [first]: value, [second]: other };
          const metadata = new Map(
            Object.entries(changed).filter((entry): entry is [string, GgufValue] => entry[1] !== undefined),
          );
          try {
            tryLoaded(() => loadTokenizer({ kind: "gguf", metadata }));
          } catch (error) {
            assert.fail(
              `${first} = ${JSON.stringify(value)}, ${second} = ${JSON.stringify(other)}: ${(error as Error).stack}`,
            );
          }
        }
      }
    }
  }
});
