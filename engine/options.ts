// The sizes that follow from what an engine is told when it starts, for the device at hand.

import type { ModelConfig } from "../files/families/config.ts";
import { MoloraError } from "../proto/errors.ts";
import type { KvDtype } from "../shaders/layer/rope_kv.ts";
import { ADAPTER_DTYPES, type AdapterDtype } from "../shaders/lora/adapter_dtype.ts";
import { MAX_SORT } from "../shaders/lora/segments.ts";
import type { Device } from "./device/device.ts";
import type { EngineOptions } from "./engine_options.ts";
import { mostPages, PAGE_TOKENS, pageBytes } from "./memory/device_pool.ts";
import type { Capacity } from "./model/capacity.ts";
import { shortTurns } from "./model/rotations.ts";
import type { SchedulerOptions } from "./scheduler/options.ts";

export type { EngineOptions } from "./engine_options.ts";

export interface Sizes {
  capacity: Capacity;
  contextLength: number;
  pages: number;
  kvDtype: KvDtype;
  adapterDtype: AdapterDtype;
  scheduler: SchedulerOptions & { runAhead: number };
}

const DEFAULT_CONTEXT = 8192;
/** Adapter entries a token can have: the most a stacked request or a router's top-k may ask for. */
export const ENTRIES = 8;
const EXPERTS = 64;
const GATE_WIDTH = 512;
/** Tokens that adapters may add, as vLLM has it. */
const EXTRA_VOCABULARY = 256;
const MOST_IDS = 1 << 22;

/**
 * @throws MoloraError `bad_arguments` for options out of range or beyond what the model and the device can have,
 * `unsupported_architecture` for a head size no kernel is written for.
 */
export function settleSizes(
  options: EngineOptions,
  config: ModelConfig,
  device: Pick<Device, "limits" | "wishes">,
): Sizes {
  if (config.headDim % 8 !== 0) {
    throw new MoloraError("unsupported_architecture", `a head size of ${config.headDim} is not supported`, {
      remedy: "Use a model whose head size is a multiple of 8, as nearly all of the Llama family have.",
    });
  }
  const contextLength = positive(
    "contextLength",
    options.contextLength ?? Math.min(DEFAULT_CONTEXT, config.contextLength),
  );
  if (contextLength > config.contextLength) {
    throw beyond("contextLength", contextLength, config.contextLength, "the model's own");
  }
  const maxSequences = positive("maxSequences", options.maxSequences ?? 32);
  const mostTokens = Math.floor(MAX_SORT / ENTRIES);
  const wantedTokens = positive("maxBatchTokens", options.maxBatchTokens ?? mostTokens);
  const tokens = Math.max(maxSequences, Math.min(wantedTokens, mostTokens));
  if (tokens > mostTokens) {
    throw new MoloraError("bad_arguments", `maxSequences is ${maxSequences}`, {
      remedy: `Give at most ${mostTokens}.`,
    });
  }
  const poolBytes = positive("poolBytes", options.poolBytes ?? device.wishes.poolBytes);
  const kvDtype = options.kvDtype ?? "f32";
  const page = pageBytes(config, kvDtype);
  const wanted = Math.floor(poolBytes / (page * config.numLayers));
  const most = mostPages(config, device, kvDtype);
  if (options.poolBytes !== undefined && wanted > most) {
    throw beyond("poolBytes", poolBytes, most * page * config.numLayers, "what this device can bind");
  }
  const pages = Math.min(most, Math.max(wanted, Math.ceil(contextLength / PAGE_TOKENS) + 2));
  if (options.contextLength !== undefined && (pages - 2) * PAGE_TOKENS < contextLength) {
    throw beyond("contextLength", contextLength, (pages - 2) * PAGE_TOKENS, "what this device can bind");
  }
  if (options.hostCacheBytes !== undefined) positive("hostCacheBytes", options.hostCacheBytes);
  const logitRows = Math.max(64, maxSequences);
  const turns = shortTurns(config, contextLength);
  return {
    contextLength,
    pages,
    kvDtype,
    adapterDtype: adapterDtypeOf(options),
    capacity: {
      tokens,
      sequences: maxSequences,
      logitRows,
      vocabulary: roomForIds(config.vocabSize, options.extraVocabulary ?? EXTRA_VOCABULARY),
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
      ...(options.drainAfterMs === undefined ? {} : { drainAfterMs: options.drainAfterMs }),
      prefixCache: options.prefixCache ?? true,
      runAhead: device.wishes.stepsAhead,
      ...(turns === undefined ? {} : { shortTurns: turns }),
    },
  };
}

/** Rows of logits whose length is a multiple of 4 are read four at a time. */
function roomForIds(own: number, extra: number): number {
  if (!Number.isSafeInteger(extra) || extra < 0 || own + extra > MOST_IDS) {
    throw new MoloraError("bad_arguments", `extraVocabulary is ${extra}`, {
      remedy: `Give an integer from 0 to ${MOST_IDS - own}.`,
    });
  }
  return 4 * Math.ceil((own + extra) / 4);
}

function adapterDtypeOf({ adapterDtype = "f32" }: EngineOptions): AdapterDtype {
  if (ADAPTER_DTYPES.includes(adapterDtype)) return adapterDtype;
  throw new MoloraError("bad_arguments", `adapterDtype is ${JSON.stringify(adapterDtype)}`, {
    remedy: `Give one of ${ADAPTER_DTYPES.join(", ")}.`,
  });
}

function beyond(name: string, value: number, most: number, what: string): MoloraError {
  return new MoloraError("bad_arguments", `${name} is ${value}, ${what} is ${most}`, {
    remedy: `Give at most ${most}.`,
  });
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new MoloraError("bad_arguments", `${name} is ${value}`, { remedy: "Give a positive integer." });
}
