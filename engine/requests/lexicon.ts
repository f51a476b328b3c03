// The ids that a request speaks in, and what spells them: the base's, or those of the adapter it names that has a
// vocabulary of its own.

import type { ModelConfig } from "../../files/families/config.ts";
import type { Routing } from "../../proto/api.ts";
import { allHeldBy, type LoadedAdapter, type LoadedGeneration } from "../adapters/generation.ts";
import type { Registry } from "../adapters/registry.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

export interface LexiconParts {
  config: ModelConfig;
  /** The base's. */
  tokenizer: Tokenizer;
  registry: Registry;
}

export interface Lexicon {
  /** Whose it is: an adapter's key, or the base's where there is none. */
  key: string | undefined;
  tokenizer: Tokenizer;
  /** Ids are integers from 0 up to this, not included. */
  size: number;
  /** Ids that end a text. */
  endIds: readonly number[];
}

/** Of what the names stand for now; those that stand for nothing are for others to refuse. */
export function lexiconOf(
  { config, tokenizer, registry }: LexiconParts,
  { adapter, adapters = [], mixture }: Routing,
): Lexicon {
  const names = [adapter, ...adapters.map(({ id }) => id), mixture].filter((name) => name !== undefined);
  const found = names.flatMap((name) => registry.find(name) ?? []);
  const bringing = found.flatMap(membersOf).filter(({ adapter: member }) => member.vocabulary !== undefined);
  const own = bringing.find(({ adapter: member }) => member.tokenizer !== undefined) ?? bringing[0];
  if (own === undefined) return { key: undefined, tokenizer, size: config.vocabSize, endIds: config.eosIds };
  const { vocabulary, tokenizer: spelling } = own.adapter;
  // Fine-tuned for conversations, it ends its turns with a token that the base's configuration knows nothing of.
  const ends = spelling?.eosId === undefined ? config.eosIds : [...new Set([...config.eosIds, spelling.eosId])];
  return { key: own.key, tokenizer: spelling ?? tokenizer, size: vocabulary!.size, endIds: ends };
}

function membersOf(generation: LoadedGeneration): LoadedAdapter[] {
  return [generation, ...allHeldBy(generation)].filter((one) => one.kind === "adapter");
}
