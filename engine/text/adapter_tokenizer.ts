// The tokenizer of an adapter that has a vocabulary of its own: its folder's, or the base's with what its folder adds.

import type { OwnTokenizer } from "../../files/lora/own_tokenizer.ts";
import { addedTokens, huggingFaceSpec, namedToken } from "./huggingface.ts";
import { isObject, type TokenizerSpec, tokenizerInvalid } from "./spec.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * Where the folder has no chat template, the base's holds.
 *
 * @throws MoloraError `tokenizer_invalid`
 */
export function adapterTokenizer(base: Tokenizer, own: OwnTokenizer): Tokenizer {
  return base.extended((spec) => (own.tokenizer === undefined ? extendedSpec(spec, own) : ownSpec(spec, own)));
}

/** A tokenizer.json whose model is the base's shares what is made of it: most add a few tokens, and no more. */
function ownSpec(spec: TokenizerSpec, { tokenizer = {}, config, templates }: OwnTokenizer): TokenizerSpec {
  const { chatTemplate, toolTemplate } = templates.chatTemplate === undefined ? spec : templates;
  const more = toolTemplate === undefined ? {} : { toolTemplate };
  const own = huggingFaceSpec(tokenizer, config, { chatTemplate, ...more });
  if (!isEqual(own.json.model, spec.json.model)) return own;
  return { ...own, json: { ...own.json, model: spec.json.model } };
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
  const tokens = [...spec.tokens];
  const added = addedTokens([...stated]).filter(({ id, content }) => tokens[id] !== content);
  const ids = new Map<string, number>();
  for (const { id, content } of added) {
    if (!Number.isInteger(id) || id < 0 || id > MOST_ID) throw tokenizerInvalid(`token ${content} has the id ${id}`);
    tokens[id] = content;
  }
  for (const [id, token] of tokens.entries()) if (token !== undefined) ids.set(token, id);
  const replaced = new Set(added.map(({ id }) => id));
  const kept = spec.json.added_tokens.filter(({ id }) => !replaced.has(id));
  const named = (field: string, otherwise: number | undefined) =>
    ids.get(namedToken(config?.[field]) ?? "") ?? otherwise;
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
