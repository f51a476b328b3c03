// The tiny models, adapters and mixtures of test/fixtures/tiny as plain numbers, read by a few lines of their own.
// They share nothing with the engine's loaders, so that a misreading on either side shows.

import { readFileSync } from "node:fs";
import type { LoraPair } from "../../cli/check/reference/lora_delta.ts";
import type { GateWeights } from "../../cli/check/reference/mlp_gate.ts";
import { bf16, f16 } from "./half_float.ts";
import type { LlamaLayer, LlamaShape, LlamaWeights, Module } from "./llama_forward.ts";
import { MODULES } from "./llama_forward.ts";

const TINY = "test/fixtures/tiny";

interface TensorEntry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

export interface Tensor {
  shape: number[];
  values: Float64Array;
}

/** Every tensor of a safetensors file: 8 bytes of header length, a JSON header, data. F32, F16 and BF16. */
export function readSafetensors(path: string): Map<string, Tensor> {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, start)) as Record<string, TensorEntry>;
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const count = entry.shape.reduce((product, size) => product * size, 1);
    const at = start + entry.data_offsets[0];
    const values = Float64Array.from({ length: count }, (_, i) => {
      if (entry.dtype === "F32") return bytes.readFloatLE(at + 4 * i);
      return (entry.dtype === "F16" ? f16 : bf16)(bytes.readUInt16LE(at + 2 * i));
    });
    tensors.set(name, { shape: entry.shape, values });
  }
  return tensors;
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

interface ConfigJson {
  hidden_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  vocab_size: number;
  rms_norm_eps: number;
  rope_parameters?: { rope_theta: number };
  rope_theta?: number;
  rope_scaling?: {
    factor: number;
    low_freq_factor: number;
    high_freq_factor: number;
    original_max_position_embeddings: number;
  };
}

const PARENT: Record<Module, string> = {
  q_proj: "self_attn",
  k_proj: "self_attn",
  v_proj: "self_attn",
  o_proj: "self_attn",
  gate_proj: "mlp",
  up_proj: "mlp",
  down_proj: "mlp",
};

/** A model of test/fixtures/tiny in one unsharded file. */
export function tinyLlama(name: string): { shape: LlamaShape; weights: LlamaWeights } {
  const config = readJson<ConfigJson>(`${TINY}/${name}/config.json`);
  const tensors = readSafetensors(`${TINY}/${name}/model.safetensors`);
  const values = (tensor: string): Float64Array => {
    const found = tensors.get(`${tensor}.weight`);
    if (found === undefined) throw new Error(`${name} lacks ${tensor}`);
    return found.values;
  };
  const layers = Array.from({ length: config.num_hidden_layers }, (_, i): LlamaLayer => {
    const modules = MODULES.map((module) => [module, values(`model.layers.${i}.${PARENT[module]}.${module}`)]);
    return {
      inputNorm: values(`model.layers.${i}.input_layernorm`),
      postAttentionNorm: values(`model.layers.${i}.post_attention_layernorm`),
      modules: Object.fromEntries(modules) as Record<Module, Float64Array>,
    };
  });
  const embedding = values("model.embed_tokens");
  const head = tensors.has("lm_head.weight") ? values("lm_head") : embedding;
  return { shape: tinyShape(config), weights: { embedding, layers, norm: values("model.norm"), head } };
}

function tinyShape(config: ConfigJson): LlamaShape {
  const scaling = config.rope_scaling;
  return {
    hiddenSize: config.hidden_size,
    vocabSize: config.vocab_size,
    normEps: config.rms_norm_eps,
    numHeads: config.num_attention_heads,
    numKvHeads: config.num_key_value_heads,
    headDim: config.head_dim,
    ropeTheta: config.rope_parameters?.rope_theta ?? config.rope_theta ?? Number.NaN,
    ropeScaling:
      scaling === undefined
        ? { type: "none" }
        : {
            type: "llama3",
            factor: scaling.factor,
            lowFreqFactor: scaling.low_freq_factor,
            highFreqFactor: scaling.high_freq_factor,
            originalContext: scaling.original_max_position_embeddings,
          },
  };
}

interface AdapterConfigJson {
  lora_alpha: number;
  use_rslora: boolean;
  alpha_pattern: Record<string, number>;
}

/** [layer] → the modules an adapter of test/fixtures/tiny extends there. */
export function tinyAdapter(name: string, numLayers: number): Partial<Record<Module, LoraPair>>[] {
  const config = readJson<AdapterConfigJson>(`${TINY}/adapters/${name}/adapter_config.json`);
  const tensors = readSafetensors(`${TINY}/adapters/${name}/adapter_model.safetensors`);
  return Array.from({ length: numLayers }, (_, i) => {
    const modules: Partial<Record<Module, LoraPair>> = {};
    for (const module of MODULES) {
      const path = `model.layers.${i}.${PARENT[module]}.${module}`;
      const a = tensors.get(`base_model.model.${path}.lora_A.weight`);
      const b = tensors.get(`base_model.model.${path}.lora_B.weight`);
      if (a === undefined || b === undefined) continue;
      const rank = a.shape[0];
      const pattern = Object.entries(config.alpha_pattern).find(([key]) => new RegExp(`^(.*\\.)?(${key})$`).test(path));
      const alpha = pattern === undefined ? config.lora_alpha : pattern[1];
      modules[module] = { rank, scale: alpha / (config.use_rslora ? Math.sqrt(rank) : rank), a: a.values, b: b.values };
    }
    return modules;
  });
}

export interface TinyMixture {
  experts: { name: string; adapter?: string }[];
  router: {
    type: "mlp" | "arrow" | "uniform" | "vocabulary";
    belief?: boolean;
    top_k: number;
    gate: "unit" | "softmax";
    temperature: number;
    ranges: [from: number, to: number, expert: number][];
    default: number;
  };
}

/** A mixture of test/fixtures/tiny and the gate of each layer (none for routers without tensors). */
export function tinyMixture(name: string, numLayers: number): { mixture: TinyMixture; gates: GateWeights[] } {
  const mixture = readJson<TinyMixture>(`${TINY}/mixtures/${name}/mixture.json`);
  if (mixture.router.type !== "mlp") return { mixture, gates: [] };
  const tensors = readSafetensors(`${TINY}/mixtures/${name}/router.safetensors`);
  const values = (tensor: string): Float64Array => tensors.get(tensor)?.values ?? new Float64Array();
  const gates = Array.from({ length: numLayers }, (_, i) => ({
    fc1Weight: values(`layers.${i}.fc1.weight`),
    fc1Bias: values(`layers.${i}.fc1.bias`),
    fc2Weight: values(`layers.${i}.fc2.weight`),
    fc2Bias: values(`layers.${i}.fc2.bias`),
  }));
  return { mixture, gates };
}
