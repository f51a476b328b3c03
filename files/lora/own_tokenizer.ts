// How an adapter's folder spells its ids: a tokenizer of its own, or what it adds to the base's.

import { MoloraError } from "../../proto/errors.ts";
import { type ChatTemplates, readTemplates } from "../model_files/chat_templates.ts";
import { parseTokenizerJson } from "../model_files/tokenizer_json.ts";
import type { SourceFolder } from "../source.ts";
import { readWhole } from "./adapter_files.ts";

/** JSON is parsed, not yet checked. */
export interface OwnTokenizer {
  /** tokenizer.json, see files/model_files/tokenizer_json.ts. Absent: the base's, and `added`. */
  tokenizer?: Record<string, unknown>;
  /** tokenizer_config.json */
  config?: Record<string, unknown>;
  /** As tokenizer.json would have them: of added_tokens.json and tokenizer_config.json's added_tokens_decoder. */
  added: readonly Record<string, unknown>[];
  templates: ChatTemplates;
  /** What it was read from, for the adapter's hash. */
  bytes: Uint8Array[];
}

const MOST_BYTES = 256 << 20;

/**
 * Undefined where the folder says nothing of ids.
 *
 * @throws MoloraError `tokenizer_invalid` for files that are not JSON objects
 */
export async function readOwnTokenizer(folder: SourceFolder): Promise<OwnTokenizer | undefined> {
  const bytes: Uint8Array[] = [];
  const read = async (name: string, parse = parseJson): Promise<Record<string, unknown> | undefined> => {
    const source = await folder.open(name);
    if (source === undefined) return undefined;
    const whole = await readWhole(source, MOST_BYTES);
    bytes.push(whole);
    return jsonObject(source.name, whole, parse);
  };
  const tokenizer = await read("tokenizer.json", parseTokenizerJson);
  const config = await read("tokenizer_config.json");
  const added = addedTokens(await read("added_tokens.json"), config?.added_tokens_decoder);
  const templates = await readTemplates(folder, config);
  if (tokenizer === undefined && added.length === 0 && templates.chatTemplate === undefined) return undefined;
  bytes.push(new TextEncoder().encode(JSON.stringify(templates)));
  return { ...(tokenizer && { tokenizer }), ...(config && { config }), added, templates, bytes };
}

/** transformers writes ids by texts into the one, and tokens by ids into the other, which says more. */
function addedTokens(byText: Record<string, unknown> | undefined, byId: unknown): OwnTokenizer["added"] {
  const added = new Map<number, Record<string, unknown>>();
  for (const [content, id] of Object.entries(byText ?? {})) added.set(Number(id), { id, content, special: true });
  for (const [id, token] of Object.entries(typeof byId === "object" && byId !== null ? byId : {})) {
    added.set(Number(id), { ...token, id: Number(id) });
  }
  return [...added.values()];
}

async function parseJson(bytes: Uint8Array): Promise<unknown> {
  return JSON.parse(new TextDecoder().decode(bytes));
}

async function jsonObject(name: string, bytes: Uint8Array, parse: typeof parseJson): Promise<Record<string, unknown>> {
  let json: unknown;
  try {
    json = await parse(bytes);
  } catch (cause) {
    throw invalid(name, "not JSON", cause);
  }
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw invalid(name, "no JSON object");
}

function invalid(name: string, what: string, cause?: unknown): MoloraError {
  return new MoloraError("tokenizer_invalid", `${name} is ${what}`, {
    remedy: "Fetch the file again, or take it out of the folder: the base's tokenizer serves then.",
    cause,
  });
}
