// The tokenizer of an adapter that has a vocabulary of its own: its folder's, or the base's with what its folder adds.

import type { OwnTokenizer } from "../../files/lora/own_tokenizer.ts";
import { isObject, type JsonObject, tokenizerInvalid } from "./fields.ts";
import { addedTokens, huggingFaceSpec, namedToken } from "./huggingface.ts";
import { sameMerges } from "./merges.ts";
import type { BpeModel, TokenizerSpec, UnigramModel } from "./spec.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * Where the folder has no chat template, the base's holds. In steps.
 *
 * @throws MoloraError `tokenizer_invalid`
 */
export function adapterTokenizer(base: Tokenizer, own: OwnTokenizer): Generator<undefined, Tokenizer> {
  return base.extended((spec) => ownSpec(spec, own));
}

/** A tokenizer.json whose model is the base's shares what is made of it: most add a few tokens, and no more. */
function* ownSpec(spec: TokenizerSpec, folder: OwnTokenizer): Generator<undefined, TokenizerSpec> {
  const { tokenizer, config, templates } = folder;
  if (tokenizer === undefined) return extendedSpec(spec, folder);
  const { chatTemplate, toolTemplate } = templates.chatTemplate === undefined ? spec : templates;
  const more = toolTemplate === undefined ? {} : { toolTemplate };
  const own = yield* huggingFaceSpec(tokenizer, config, { chatTemplate, ...more });
  if (!isSameModel(own.json.model, spec.json.model)) return own;
  return { ...own, json: { ...own.json, model: spec.json.model } };
}

function isSameModel(a: BpeModel | UnigramModel, b: BpeModel | UnigramModel): boolean {
  const plain = ({ vocab, merges, scores, ...rest }: JsonObject) => rest;
  if (!a.vocab.equals(b.vocab) || !isEqual(plain(a), plain(b))) return false;
  if (a.type === "BPE" && b.type === "BPE") return sameMerges(a.merges, b.merges);
  return isEqual([...((a.scores ?? []) as Float64Array)], [...((b.scores ?? []) as Float64Array)]);
}

function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => isEqual(item, b[i]));
  if (!isObject(a) || !isObject(b)) return false;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => isEqual(a[name], b[name]));
}

/** An id that the base has a token for may get another: reserved ones are there for that. */
function extendedSpec(spec: TokenizerSpec, { added: stated, config, templates }: OwnTokenizer): TokenizerSpec {
  const added = addedTokens([...stated]).filter(({ id, content }) => spec.tokens.at(id) !== content);
  for (const { id, content } of added) {
    if (!Number.isInteger(id) || id < 0 || id > MOST_ID) throw tokenizerInvalid(`token ${content} has the id ${id}`);
  }
  const tokens = spec.tokens.changed(new Map(added.map(({ id, content }) => [id, content])));
  const replaced = new Set(added.map(({ id }) => id));
  const kept = spec.json.added_tokens.filter(({ id }) => !replaced.has(id));
  const named = (field: string, otherwise: number | undefined) =>
    tokens.idOf(namedToken(config?.[field]) ?? "") ?? otherwise;
  const { chatTemplate, toolTemplate } = templates;
  return {
    json: { ...spec.json, added_tokens: [...kept, ...added] },
    tokens,
    bosId: named("bos_token", spec.bosId),
    eosId: named("eos_token", spec.eosId),
    chatTemplate: chatTemplate ?? spec.chatTemplate,
    toolTemplate: chatTemplate === undefined ? spec.toolTemplate : toolTemplate,
  };
}

/** Ids above this are damage, not a vocabulary. */
const MOST_ID = 1 << 22;
