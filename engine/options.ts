// What an engine can be told when it starts, and the sizes that follow for the device at hand.
// It knows nothing of requests.

import type { ModelConfig } from "../files/families/config.ts";
import type { WeightDtype } from "../files/weights/stored/device_format.ts";
import { MoloraError } from "../proto/errors.ts";
import { MAX_SORT } from "../shaders/lora/segments.ts";
import type { Device } from "./device/device.ts";
import type { DeviceOptions } from "./host.ts";
import { mostPages, PAGE_TOKENS, pageBytes } from "./memory/device_pool.ts";
import type { Capacity } from "./model/capacity.ts";
import type { SchedulerOptions } from "./scheduler/options.ts";

export interface EngineOptions extends DeviceOptions {
  /** Folder or GGUF file of the base model. */
  model: string;
  /** PEFT folders by the names requests will use. */
  adapters?: Record<string, string>;
  /** Mixture folders by name. Their experts' adapters are loaded along. */
  mixtures?: Record<string, string>;
  /** What dense weights are held in on the device. Default `auto`: as stored, bf16 as f16. */
  dtype?: WeightDtype;
  /**
   * What activations are held in between linear layers: f32, exact, or q8, which rounds them to int8 in blocks of 32 where
   * they meet quantised weights. Default: f32 on a GPU; on the CPU q8 where the model's sizes allow it, as llama.cpp does.
   */
  activations?: "f32" | "q8";
  /** Longest sequence, in tokens. Default: the model's own, at most 8192. */
  contextLength?: number;
  /** Device bytes for KV and adapters together. Default: 2 GiB on a GPU, 512 MiB on the CPU. */
  poolBytes?: number;
  /** Most requests that run at once. Default 32. */
  maxSequences?: number;
  /** Keep KV of earlier requests for those that begin alike, while nothing else needs its memory. Default true. */
  prefixCache?: boolean;
  /** Most tokens in a step. Default 240. */
  maxBatchTokens?: number;
  /** Most requests that wait. Default 1024. */
  maxQueue?: number;
  /** Highest rank an adapter can have. Default 64. */
  maxRank?: number;
  /** Called while weights are read: bytes done and in all. */
  onProgress?: (done: number, total: number) => void;
  /** Called while programs are compiled for a GPU: programs done and in all. */
  onCompile?: (done: number, total: number) => void;
}

export interface Sizes {
  capacity: Capacity;
  contextLength: number;
  pages: number;
  scheduler: SchedulerOptions & { runAhead: number };
}

const DEFAULT_CONTEXT = 8192;
/** Adapter entries a token can have: the most a stacked request or a router's top-k may ask for. */
const ENTRIES = 8;
const EXPERTS = 64;
const GATE_WIDTH = 512;

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
  const wanted = Math.floor(poolBytes / (pageBytes(config) * config.numLayers));
  const most = mostPages(config, device);
  if (options.poolBytes !== undefined && wanted > most) {
    throw beyond("poolBytes", poolBytes, most * pageBytes(config) * config.numLayers, "what this device can bind");
  }
  const pages = Math.min(most, Math.max(wanted, Math.ceil(contextLength / PAGE_TOKENS) + 2));
  if (options.contextLength !== undefined && (pages - 2) * PAGE_TOKENS < contextLength) {
    throw beyond("contextLength", contextLength, (pages - 2) * PAGE_TOKENS, "what this device can bind");
  }
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
      runAhead: device.wishes.stepsAhead,
    },
  };
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
