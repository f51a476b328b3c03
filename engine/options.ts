// The sizes that follow from what an engine is told when it starts, for the device at hand.
// It knows nothing of requests.

import type { ModelConfig } from "../files/families/config.ts";
import { MoloraError } from "../proto/errors.ts";
import { MAX_SORT } from "../shaders/segments.ts";
import type { EngineOptions } from "./engine_options.ts";
import type { Gpu } from "./gpu/gpu.ts";
import { mostPages, PAGE_TOKENS, pageBytes } from "./memory/device_pool.ts";
import type { Capacity } from "./model/inputs.ts";
import type { SchedulerOptions } from "./scheduler/options.ts";

export type { EngineOptions } from "./engine_options.ts";

export interface Sizes {
  capacity: Capacity;
  contextLength: number;
  pages: number;
  scheduler: SchedulerOptions;
}

const DEFAULT_CONTEXT = 8192;
/** Adapter entries a token can have: the most a stacked request or a router's top-k may ask for. */
const ENTRIES = 8;
const EXPERTS = 64;
const GATE_WIDTH = 512;

/** Throws `bad_arguments` for options out of range, `unsupported_architecture` for a head size no kernel is written for. */
export function settleSizes(options: EngineOptions, config: ModelConfig, gpu: Gpu): Sizes {
  if (config.headDim % 8 !== 0) {
    throw new MoloraError("unsupported_architecture", `a head size of ${config.headDim} is not supported`, {
      remedy: "Use a model whose head size is a multiple of 8, as nearly all of the Llama family have.",
    });
  }
  const contextLength = Math.min(
    positive("contextLength", options.contextLength ?? DEFAULT_CONTEXT),
    config.contextLength,
  );
  const maxSequences = positive("maxSequences", options.maxSequences ?? 32);
  const most = Math.floor(MAX_SORT / ENTRIES);
  const tokens = Math.max(maxSequences, Math.min(positive("maxBatchTokens", options.maxBatchTokens ?? most), most));
  if (tokens > most) {
    throw new MoloraError("bad_arguments", `maxSequences is ${maxSequences}`, { remedy: `Give at most ${most}.` });
  }
  const poolBytes = positive("poolBytes", options.poolBytes ?? (gpu.isSoftware ? 256 : 2048) * 2 ** 20);
  const wanted = Math.floor(poolBytes / (pageBytes(config) * config.numLayers));
  const pages = Math.min(mostPages(config, gpu), Math.max(wanted, Math.ceil(contextLength / PAGE_TOKENS) + 2));
  const logitRows = Math.max(64, maxSequences);
  return {
    contextLength,
    pages,
    capacity: {
      tokens,
      sequences: maxSequences,
      logitRows,
      // Sequences that begin alike share pages, so their tables together can be longer than the pool.
      blocks: Math.max(pages, maxSequences * Math.ceil(contextLength / PAGE_TOKENS)),
      pages,
      entries: ENTRIES,
      experts: EXPERTS,
      gateWidth: GATE_WIDTH,
      rank4: Math.ceil(positive("maxRank", options.maxRank ?? 64) / 4),
      masks: maxSequences,
    },
    scheduler: {
      maxSequences,
      maxBatchTokens: tokens,
      prefillChunk: tokens,
      maxLogitRows: logitRows,
      pageTokens: PAGE_TOKENS,
      maxQueue: positive("maxQueue", options.maxQueue ?? 1024),
      prefixCache: options.prefixCache ?? true,
      // On a software adapter host and device share the cores: running ahead gains nothing and wastes a step at each end.
      runAhead: gpu.isSoftware ? 0 : 1,
    },
  };
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new MoloraError("bad_arguments", `${name} is ${value}`, { remedy: "Give a positive integer." });
}
