// The buffers of training: every layer's input, and one layer's inner values and gradients, shared by all layers.

import type { Device } from "../../engine/device/device.ts";
import { subView, type View } from "../../engine/device/memory.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import { LORA_MODULES, type LoraModuleName } from "../../files/families/modules.ts";
import { type BatchCapacity, rowCapacity } from "./batch.ts";

export interface LoraViews {
  /** [T, ranks] A x */
  hidden: View;
  /** [T, ranks] with gates and scales. */
  gated: View;
}

/** T: tokens; R: rows of losses; C: rows of a chunk. All f32. */
export interface TrainingWorkspace {
  /** The residual stream before each layer and behind the last, [T, hidden] each: all that is kept of the forward pass. */
  residuals: View[];
  ids: View;
  /** One layer's values: [T, hidden], */
  attentionInput: View;
  /** [T, q and k and v rows], */
  qkv: View;
  /** [T, q rows], */
  attended: View;
  /** [T, heads], */
  lse: View;
  /** [T, hidden]: what a block adds to the residual stream, */
  output: View;
  /** [T, hidden]: the residual stream between attention and MLP, */
  middle: View;
  /** [T, hidden], */
  mlpInput: View;
  /** [T, 2 · intermediate], which becomes its own gradient, */
  gateUp: View;
  /** [T, intermediate]. */
  activated: View;
  /** Gradient of the residual stream, [T, hidden]. */
  dResidual: View;
  /** Gradient of a block's normed input, [T, hidden]. */
  dInput: View;
  /** [T, widest of intermediate and q rows] */
  dWide: View;
  /** [T, q and k and v rows] */
  dQkv: View;
  /** [T, heads] */
  delta: View;
  lora: Record<LoraModuleName, LoraViews>;
  /** [T, most ranks of a module] */
  dHidden: View;
  /** [R, hidden] */
  headInput: View;
  /** [R, hidden] */
  dHeadInput: View;
  /** [C, vocab] */
  logits: View;
  /** [R] */
  losses: View;
}

/** `ranks`: the most a module has over all layers, experts together. */
export function allocateTraining(
  device: Device,
  config: ModelConfig,
  capacity: BatchCapacity,
  ranks: Readonly<Record<LoraModuleName, number>>,
): TrainingWorkspace {
  const { tokens, chunkRows } = capacity;
  const rows = rowCapacity(capacity);
  const { hiddenSize, intermediateSize, numHeads, numKvHeads, headDim, numLayers, vocabSize } = config;
  const qRows = numHeads * headDim;
  const qkvRows = qRows + 2 * numKvHeads * headDim;
  const perToken = (label: string, width: number) => device.allocate(`training ${label}`, tokens * width * 4);
  const lora = Object.fromEntries(
    LORA_MODULES.map((module) => {
      const width = Math.max(4, ranks[module]);
      return [module, { hidden: perToken(`${module} hidden`, width), gated: perToken(`${module} gated`, width) }];
    }),
  ) as Record<LoraModuleName, LoraViews>;
  return {
    residuals: Array.from({ length: numLayers + 1 }, (_, i) => perToken(`residual ${i}`, hiddenSize)),
    ids: perToken("ids", 1),
    attentionInput: perToken("attention input", hiddenSize),
    qkv: perToken("qkv", qkvRows),
    attended: perToken("attended", qRows),
    lse: perToken("lse", numHeads),
    output: perToken("output", hiddenSize),
    middle: perToken("middle", hiddenSize),
    mlpInput: perToken("mlp input", hiddenSize),
    gateUp: perToken("gate and up", 2 * intermediateSize),
    activated: perToken("activated", intermediateSize),
    dResidual: perToken("residual gradient", hiddenSize),
    dInput: perToken("input gradient", hiddenSize),
    dWide: perToken("wide gradient", Math.max(intermediateSize, qRows)),
    dQkv: perToken("qkv gradient", qkvRows),
    delta: perToken("delta", numHeads),
    lora,
    dHidden: perToken("hidden gradient", Math.max(4, ...Object.values(ranks))),
    headInput: device.allocate("training head input", rows * hiddenSize * 4),
    dHeadInput: device.allocate("training head gradient", rows * hiddenSize * 4),
    logits: device.allocate("training logits", chunkRows * vocabSize * 4),
    losses: device.allocate("losses", rows * 4),
  };
}

/** Rows [first, first + count) of a [R, width] f32 view. `first · width` must be a multiple of 64. */
export function rowsOf(view: View, first: number, count: number, width: number): View {
  return subView(view, first * width * 4, count * width * 4);
}
