// The pre-tokenizers a GGUF names in `tokenizer.ggml.pre`, as llama.cpp knows them.
// Patterns follow the tokenizer.json that each name was made for.

import { tokenizerInvalid } from "./fields.ts";
import { GPT2_PATTERN } from "./pre_tokenizer.ts";

export interface GgufPre {
  /** Applied one after another, each within the pieces the one before left. */
  patterns: readonly string[];
  /** A piece that is a token as it stands is taken whole, whatever the merges say. */
  ignoreMerges?: boolean;
  /** Whether BOS goes before a text where the file does not say. */
  addBos?: boolean;
  /** Unicode normalisation the model was trained with. */
  normalizer?: "NFC";
}

/** Llama 3, Qwen 2 and their kin differ only in how many digits stay together. */
const wordsAndDigits = (digits: string) =>
  `(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}` +
  "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const TEKKEN_UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const TEKKEN_LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const TEKKEN_PATTERN =
  `[^\\r\\n\\p{L}\\p{N}]?${TEKKEN_UPPER}*${TEKKEN_LOWER}+|[^\\r\\n\\p{L}\\p{N}]?${TEKKEN_UPPER}+${TEKKEN_LOWER}*` +
  "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const O200K_SUFFIX = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?";
const O200K_PATTERN =
  `[^\\r\\n\\p{L}\\p{N}]?${TEKKEN_UPPER}*${TEKKEN_LOWER}+${O200K_SUFFIX}` +
  `|[^\\r\\n\\p{L}\\p{N}]?${TEKKEN_UPPER}+${TEKKEN_LOWER}*${O200K_SUFFIX}` +
  "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** Letters that have a case, as DeepSeek counts them; what normalisation would turn into others is escaped. */
const DEEPSEEK_LETTERS =
  "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼ" +
  "ℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃";
/** DeepSeek's cut lines, words, marks, Chinese with Japanese and Korean, and single digits, one after another. */
const deepseek = (...wordsAndMarks: string[]): GgufPre => ({
  patterns: ["[\\r\\n]", ...wordsAndMarks, "[一-龥ࠀ-一가-퟿]+", "\\p{N}"],
});

const DEFAULT: GgufPre = {
  patterns: ["[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2_PATTERN, "\\p{N}+", "[0-9][0-9][0-9]"],
};
const GPT2: GgufPre = { patterns: [GPT2_PATTERN] };
const NEOX: GgufPre = { patterns: [GPT2_PATTERN], normalizer: "NFC" };
const DIGIT_BY_DIGIT: GgufPre = { patterns: ["\\p{N}", GPT2_PATTERN] };
const LLAMA3: GgufPre = { patterns: [wordsAndDigits("\\p{N}{1,3}")], ignoreMerges: true, addBos: true };
const CL100K: GgufPre = { patterns: [wordsAndDigits("\\p{N}{1,3}")] };
const O200K: GgufPre = { patterns: [O200K_PATTERN] };
const QWEN2: GgufPre = { patterns: [wordsAndDigits("\\p{N}")], normalizer: "NFC" };
const DEEPSEEK_LLM = deepseek(`\\s?[${DEEPSEEK_LETTERS}]+`, "\\s?[!-/:-~！-／：-～‘-‟　-。]+", "\\s+$");
const DEEPSEEK_CODER = deepseek("\\s?\\p{L}+", "\\s?\\p{P}+");
const TEKKEN: GgufPre = { patterns: [TEKKEN_PATTERN], ignoreMerges: true, addBos: true };

const KNOWN: ReadonlyMap<string, GgufPre> = new Map([
  ["default", DEFAULT],
  ["gpt-2", GPT2],
  ["olmo", NEOX],
  ["smollm", DIGIT_BY_DIGIT],
  ["starcoder", DIGIT_BY_DIGIT],
  ["refact", DIGIT_BY_DIGIT],
  ["command-r", DIGIT_BY_DIGIT],
  ["llama-bpe", LLAMA3],
  ["llama3", LLAMA3],
  ["llama-v3", LLAMA3],
  ["falcon3", LLAMA3],
  ["pixtral", LLAMA3],
  ["dbrx", CL100K],
  ["smaug-bpe", CL100K],
  ["gpt-4o", O200K],
  ["qwen2", QWEN2],
  ["deepseek-r1-qwen", QWEN2],
  ["deepseek-llm", DEEPSEEK_LLM],
  ["deepseek-coder", DEEPSEEK_CODER],
  ["tekken", TEKKEN],
]);

/**
 * @throws MoloraError `tokenizer_invalid` for a name it does not know: guessed cuts would give other tokens, and worse
 * text.
 */
export function ggufPre(name: string): GgufPre {
  const pre = KNOWN.get(name);
  if (pre !== undefined) return pre;
  throw tokenizerInvalid(`pre-tokenizer "${name}" is not supported`, {
    remedy: "Use the model's Hugging Face folder, whose tokenizer.json says how text is cut.",
    details: { supported: [...KNOWN.keys()] },
  });
}
