// A Llama's forward pass in float64, composed of this folder's loops: whole sequences of tiny models, adapters included.
// One sequence, all positions at once.

import { type AttentionShape, gqaAttention } from "../../cli/check/reference/gqa_attention.ts";
import { linear, type Numbers } from "../../cli/check/reference/linear.ts";
import { type LoraPair, loraDelta } from "../../cli/check/reference/lora_delta.ts";
import { rmsNorm } from "../../cli/check/reference/rms_norm.ts";
import { rope, ropeFrequencies, type Scaling } from "../../cli/check/reference/rope.ts";
import { swiglu } from "../../cli/check/reference/swiglu.ts";

export const MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"] as const;
export type Module = (typeof MODULES)[number];

export interface LlamaShape extends AttentionShape {
  hiddenSize: number;
  vocabSize: number;
  normEps: number;
  ropeTheta: number;
  ropeScaling: Scaling;
}

/** Weights of a layer: norms [d], modules [out, in]. */
export interface LlamaLayer {
  inputNorm: Numbers;
  postAttentionNorm: Numbers;
  modules: Record<Module, Numbers>;
}

/** embedding and head: [vocab, d]; the same array where they are tied. */
export interface LlamaWeights {
  embedding: Numbers;
  layers: LlamaLayer[];
  norm: Numbers;
  head: Numbers;
}

/** Adapters of every layer, one an expert, and the gates each token has for them in that layer. */
export interface LlamaRouting {
  /** [layer][expert] → the modules that expert extends there. */
  adapters: Partial<Record<Module, LoraPair>>[][];
  /** Gates [T, E] of layer `layer`, given x: [T, d], the output of its input RMSNorm. */
  gates(layer: number, x: Float64Array): Numbers;
}

/** ids: [T]. Returns logits: [T, vocab]. */
export function llamaForward(
  ids: readonly number[],
  shape: LlamaShape,
  weights: LlamaWeights,
  routing?: LlamaRouting,
): Float64Array {
  const d = shape.hiddenSize;
  let hidden: Float64Array = Float64Array.from(
    { length: ids.length * d },
    (_, i) => weights.embedding[ids[Math.floor(i / d)] * d + (i % d)],
  );
  weights.layers.forEach((layer, index) => {
    hidden = layerForward(hidden, ids.length, shape, layer, index, routing);
  });
  return linear(rmsNorm(hidden, weights.norm, shape.normEps), weights.head, ids.length, d, shape.vocabSize);
}

/** hidden: [T, d], the residual stream before layer `index`. Returns [T, d] after it. */
function layerForward(
  hidden: Float64Array,
  tokens: number,
  shape: LlamaShape,
  layer: LlamaLayer,
  index: number,
  routing: LlamaRouting | undefined,
): Float64Array {
  const x = rmsNorm(hidden, layer.inputNorm, shape.normEps);
  const gates = routing?.gates(index, x);
  const project = (module: Module, input: Float64Array): Float64Array => {
    const inp = input.length / tokens;
    const out = layer.modules[module].length / inp;
    const y = linear(input, layer.modules[module], tokens, inp, out);
    if (routing === undefined || gates === undefined) return y;
    const pairs = routing.adapters[index].map((adapter) => adapter[module]);
    return add(y, loraDelta(input, pairs, gates, inp, out));
  };
  const positions = Array.from({ length: tokens }, (_, t) => t);
  const frequencies = ropeFrequencies(shape.headDim, shape.ropeTheta, shape.ropeScaling);
  const q = rope(project("q_proj", x), positions, shape.numHeads, frequencies);
  const k = rope(project("k_proj", x), positions, shape.numKvHeads, frequencies);
  const attended = gqaAttention(q, k, project("v_proj", x), positions, shape);
  const middle = add(hidden, project("o_proj", attended));
  const y = rmsNorm(middle, layer.postAttentionNorm, shape.normEps);
  return add(middle, project("down_proj", swiglu(project("gate_proj", y), project("up_proj", y))));
}

function add(left: Float64Array, right: Float64Array): Float64Array {
  return left.map((value, i) => value + right[i]);
}
