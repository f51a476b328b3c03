// A request on its way to admission: its adapters in memory, its prompt as ids of theirs, the grammar it is held to.

import type { AbortLike, GenerateRequest } from "../../proto/api.ts";
import type { Demand } from "../adapters/demand.ts";
import type { Grammars } from "../sampling/grammar.ts";
import { endIds, type Prepared } from "./admission.ts";
import { grammarSource } from "./constraints.ts";
import { type LexiconParts, lexiconOf } from "./lexicon.ts";
import type { Prompts } from "./prompt.ts";

export interface ReadinessParts {
  admission: LexiconParts;
  prompts: Prompts;
  grammars: Grammars;
  demand: Demand;
}

/** A request that can be admitted. */
export type Read = Omit<Prepared, "id" | "tenant">;

/** How often a request may find that what it waited for gave way before it could use it. */
export const MOST_TRIES = 100;

/** The ids of its prompt alone. @throws MoloraError as `readRequest` does for them */
export async function promptIdsOf(
  { admission, prompts, demand }: ReadinessParts,
  request: GenerateRequest,
): Promise<readonly number[]> {
  await demand.ready(request);
  return prompts.read(request, lexiconOf(admission, demand.named(request)));
}

/** @throws MoloraError what is wrong with prompt and grammar, what loading throws, `cancelled` by the signal */
export async function readRequest(
  { admission, prompts, grammars, demand }: ReadinessParts,
  request: GenerateRequest,
  signal?: AbortLike,
): Promise<Read> {
  await demand.ready(request, signal);
  const lexicon = lexiconOf(admission, demand.named(request));
  const source = grammarSource(request, lexicon.tokenizer.toolTemplate);
  const prompt = await prompts.read(request, lexicon, signal);
  if (source !== undefined) grammars.checkSpelling(lexicon.tokenizer);
  const constraint = source && (await grammars.begin(source, [...endIds(lexicon, request)], signal));
  return { lexicon, prompt, constraint };
}

/**
 * Whether what was read is what the names stand for, and all of it in memory: asked and acted upon in one turn, it stays so.
 * What became ready may have given way since, if others needed the room, or stand for something else by now.
 */
export function isReady({ admission, demand }: ReadinessParts, request: GenerateRequest, { lexicon }: Read): boolean {
  return demand.isReady(request) && lexiconOf(admission, demand.named(request)).key === lexicon.key;
}

/** What to go on with where `read` is not ready; it is disposed of where another comes in its place. */
export async function readAgain(
  parts: ReadinessParts,
  request: GenerateRequest,
  read: Read,
  signal?: AbortLike,
): Promise<Read> {
  const { admission, demand } = parts;
  await demand.ready(request, signal);
  if (lexiconOf(admission, demand.named(request)).key === read.lexicon.key) return read;
  read.constraint?.dispose();
  return readRequest(parts, request, signal);
}
