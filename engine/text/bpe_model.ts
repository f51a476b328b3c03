// The parts of tokenizer.json's BPE model, each checked as it is read.

import { isObject, type JsonObject, tokenizerInvalid } from "./fields.ts";

/** The id of `unk_token`, if there is one. */
export function unknownToken(model: JsonObject, idOf: (token: string) => number | undefined): number | undefined {
  const unknown = model.unk_token ?? undefined;
  if (unknown === undefined) return undefined;
  const id = typeof unknown === "string" ? idOf(unknown) : undefined;
  if (id === undefined) throw tokenizerInvalid(`unk_token ${shown(unknown)} is no token of the vocabulary`);
  return id;
}

/** A pair, or both parts in one string with a space between, as older files have it. */
export function mergePair(merge: unknown, i: number): [string, string] {
  if (typeof merge === "string") {
    const at = merge.indexOf(" ", 1);
    if (at > 0 && at < merge.length - 1) return [merge.slice(0, at), merge.slice(at + 1)];
  } else if (Array.isArray(merge) && merge.length === 2) {
    const [left, right] = merge;
    if (typeof left === "string" && typeof right === "string" && left !== "" && right !== "") return [left, right];
  }
  throw tokenizerInvalid(`merge ${i} is no pair of tokens: ${shown(merge)}`);
}

/** A setting that is off where it is absent. */
export function flag(model: JsonObject, name: string): boolean {
  const value = model[name] ?? false;
  if (typeof value !== "boolean") throw tokenizerInvalid(`model.${name} is neither true nor false`);
  return value;
}

/** Marks on parts of words belong to other families' tokenizers; their decoders are not supported either. */
export function refuseAffixes(model: JsonObject): void {
  for (const name of ["end_of_word_suffix", "continuing_subword_prefix", "continuing_subword_suffix"]) {
    if ((model[name] ?? "") === "") continue;
    throw tokenizerInvalid(`model.${name} is not supported`, {
      remedy: "Use a model whose tokenizer is byte-level BPE or SentencePiece BPE with byte fallback.",
    });
  }
}

/** How a vocabulary spells a byte that stands for itself. */
export function fallbackName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

export function shown(value: unknown): string {
  const text = isObject(value) ? "an object" : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
