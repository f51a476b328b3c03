// An adapter from its files to what the engine keeps of it: fitted to the base, settled with its weights, packed for the pool.

import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { loadAdapter } from "../../files/lora/load.ts";
import { sliced } from "../../files/slices.ts";
import type { ByteSource, SourceFolder } from "../../files/source.ts";
import type { AdapterDtype } from "../../shaders/lora/adapter_dtype.ts";
import type { Capacity } from "../model/capacity.ts";
import { adapterTokenizer } from "../text/adapter_tokenizer.ts";
import { checkFits } from "../text/fits_model.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { checkRank } from "./limits.ts";
import { type PackedAdapter, packAdapter } from "./pack_adapter.ts";

export interface ReadingParts {
  config: ModelConfig;
  capacity: Capacity;
  /** What adapters are held in, in host memory and on the device. */
  dtype: AdapterDtype;
  /** The base's. */
  tokenizer: Tokenizer;
  /** Works out what of an adapter depends on the base's weights (settle.ts). */
  settle: (adapter: Adapter) => Promise<Adapter>;
}

/** @throws MoloraError what is wrong with the files, or beyond the engine's capacity */
export async function readAdapter(
  { config, capacity, dtype, tokenizer: base, settle }: ReadingParts,
  name: string,
  from: ByteSource | SourceFolder,
): Promise<PackedAdapter> {
  const adapter = await settle(await loadAdapter(name, from, config));
  checkRank(adapter, capacity);
  const packed = await sliced(packAdapter(adapter, dtype));
  const own = adapter.vocabulary?.tokenizer;
  if (adapter.vocabulary === undefined || own === undefined) return packed;
  const tokenizer = await sliced(adapterTokenizer(base, own));
  checkFits(tokenizer, adapter.vocabulary.size);
  return { ...packed, tokenizer };
}
