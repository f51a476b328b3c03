// Tokenizer files gone wrong: a small whole one, and ways to break it. Shared by the named cases and the fuzzed ones.

import { chatText } from "../../../engine/text/chat_text.ts";
import { byteSpelling } from "../../../engine/text/token_bytes.ts";
import { loadTokenizer, type Tokenizer } from "../../../engine/text/tokenizer.ts";
import { MoloraError } from "../../../proto/errors.ts";

export interface Files {
  tokenizer: Record<string, unknown>;
  tokenizerConfig: Record<string, unknown>;
  chatTemplate: string;
}

/** Every kind of part that a tokenizer.json can have, in one that loads. */
export function wholeFiles(): Files {
  const vocab: Record<string, number> = { "<unk>": 0, "<s>": 1, "</s>": 2 };
  for (const character of byteSpelling) vocab[character] = Object.keys(vocab).length;
  for (const token of ["he", "ll", "hell", "Ġw"]) vocab[token] = Object.keys(vocab).length;
  const special = (id: number, content: string) => ({ id, content, special: true, normalized: false, lstrip: false });
  const text = { Sequence: { id: "A", type_id: 0 } };
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: [
        special(0, "<unk>"),
        special(1, "<s>"),
        special(2, "</s>"),
        { id: 300, content: "<tool_call>", special: false, normalized: true, rstrip: true, single_word: false },
      ],
      normalizer: {
        type: "Sequence",
        normalizers: [
          { type: "NFC" },
          { type: "Replace", pattern: { String: "“" }, content: '"' },
          { type: "Replace", pattern: { Regex: "\\t+" }, content: " " },
        ],
      },
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "Digits", individual_digits: true },
          { type: "Split", pattern: { Regex: "\\s?\\p{L}+" }, behavior: "MergedWithNext", invert: false },
          { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
        ],
      },
      post_processor: {
        type: "Sequence",
        processors: [
          { type: "ByteLevel", trim_offsets: false },
          {
            type: "TemplateProcessing",
            single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, text, { SpecialToken: { id: "</s>", type_id: 0 } }],
            pair: [text, text],
            special_tokens: { "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] } },
          },
        ],
      },
      decoder: { type: "Sequence", decoders: [{ type: "ByteLevel" }, { type: "Fuse" }] },
      model: {
        type: "BPE",
        dropout: null,
        unk_token: "<unk>",
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab,
        merges: ["h e", ["l", "l"], "he ll", "Ġ w"],
      },
    },
    tokenizerConfig: { bos_token: "<s>", eos_token: { content: "</s>" } },
    chatTemplate: "{% for m in messages %}{{ bos_token }}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}",
  };
}

const TEXTS = [
  "",
  "hello world",
  "“1 234”\t\n",
  "é 你 😀 \u0000",
  "<s></s><tool_call> <unk>",
  " ".repeat(300),
  "a\ud800b",
];

/** As tryLoaded, of a Hugging Face folder's files. */
export function tryFiles({ tokenizer, tokenizerConfig, chatTemplate }: Files): "works" | "refused" {
  return tryLoaded(() => loadTokenizer({ kind: "hf", tokenizer, tokenizerConfig, chatTemplate }));
}

/**
 * Loads a tokenizer and puts it to every use. "refused": an error of a stable code, at load or (for a chat template) when
 * asked. @throws whatever is neither a result nor such an error.
 */
export function tryLoaded(load: () => Tokenizer): "works" | "refused" {
  let loaded: Tokenizer;
  try {
    loaded = load();
  } catch (error) {
    if (error instanceof MoloraError && error.code === "tokenizer_invalid") return "refused";
    throw error;
  }
  for (const text of TEXTS) {
    for (const options of [{}, { special: false }, { addBos: false }, { mark: "\ue000", addBos: false }]) {
      const ids = loaded.encode(text, options);
      const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= loaded.vocabSize);
      if (wrong !== undefined) throw new Error(`${JSON.stringify(text)} became ${wrong}`);
      loaded.decode(ids);
      loaded.decode(ids, { skipSpecial: true, continuation: true });
    }
    loaded.vanishing(text);
  }
  if (!(loaded.mostCharacters(10) > 0)) throw new Error("no length at all");
  try {
    chatText(loaded, [{ role: "user", content: "hello <s>" }], { addGenerationPrompt: true });
  } catch (error) {
    if (!(error instanceof MoloraError) || !error.code.startsWith("chat_template")) throw error;
  }
  return "works";
}

export type Path = (string | number)[];

/** All places in a JSON value, the value itself aside. */
export function placesIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    return [at, ...placesIn(item, at)];
  });
}

/** Puts `replacement` at a place; undefined takes what is there away. */
export function replaceAt(root: object, path: Path, replacement: unknown): void {
  let parent = root as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) parent = parent[key] as typeof parent;
  const last = path.at(-1)!;
  if (replacement === undefined) delete parent[last];
  else parent[last] = replacement;
}
