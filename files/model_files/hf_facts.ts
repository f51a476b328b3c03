// What config.json states beyond a plain Llama, field by field, as facts.

import type { Facts } from "../families/facts.ts";
import type { FactField, Family } from "../families/family.ts";
import { shown } from "../shown.ts";
import { configInvalid, unsupportedArchitecture } from "./check_config.ts";
import { FILE, flag, isObject, type Json, number, numbers, positive } from "./hf_fields.ts";
import type { StatedFacts } from "./served_facts.ts";

interface Sizes {
  numLayers: number;
  headDim: number;
  contextLength: number;
  intermediateSize: number;
}

/** Fields of config.json that a fact's field reads. */
const FIELDS: Partial<Record<FactField, readonly string[]>> = {
  no_rope_layers: ["no_rope_layers", "no_rope_layer_interval"],
  experts: [
    ...["num_experts", "num_local_experts", "num_experts_per_tok", "moe_intermediate_size", "norm_topk_prob"],
    ...["decoder_sparse_step", "mlp_only_layers"],
  ],
};

export function fieldsOf(states: readonly FactField[]): string[] {
  return states.flatMap((field) => FIELDS[field] ?? [field]);
}

/** The facts that the fields of a family state. `json` has its defaults. */
export function readFacts(family: Family, json: Json, sizes: Sizes): StatedFacts[] {
  const { states } = family.config;
  if (!states.includes("sliding_window") && layerTypes(json)?.includes("sliding_attention")) {
    throw unsupportedArchitecture(FILE, "layer_types sliding_attention");
  }
  return states.flatMap((field) => {
    const facts = READERS[field](json, sizes, family);
    return Object.keys(facts).length === 0 ? [] : [{ facts, stated: describe(field, json) }];
  });
}

function describe(field: FactField, json: Json): string {
  const value = json[field];
  return value === undefined || value === true || isObject(value) ? field : `${field} ${shown(value)}`;
}

type Reader = (json: Json, sizes: Sizes, family: Family) => Facts;

const READERS: Record<FactField, Reader> = {
  attention_bias: (json) => (flag(json, "attention_bias") ? { biases: ["q_proj", "k_proj", "v_proj", "o_proj"] } : {}),
  mlp_bias: (json) => (flag(json, "mlp_bias") ? { biases: ["gate_proj", "up_proj", "down_proj"] } : {}),
  sliding_window: readWindows,
  partial_rotary_factor(json, { headDim }) {
    const inRope = isObject(json.rope_parameters) ? json.rope_parameters.partial_rotary_factor : undefined;
    const factor = positive(
      { partial_rotary_factor: inRope ?? json.partial_rotary_factor },
      "partial_rotary_factor",
      1,
    );
    const rotaryDim = Math.trunc(headDim * factor);
    return rotaryDim === headDim ? {} : { rotaryDim };
  },
  query_pre_attn_scalar(json, { headDim }) {
    const scalar = positive(json, "query_pre_attn_scalar", headDim);
    return scalar === headDim ? {} : { attentionScale: scalar ** -0.5 };
  },
  attn_logit_softcapping: (json) => capOf(json, "attn_logit_softcapping", "attentionSoftcap"),
  final_logit_softcapping: (json) => capOf(json, "final_logit_softcapping", "logitSoftcap"),
  embedding_multiplier: (json) => scaleOf(json, "embedding_multiplier", "embeddingScale"),
  residual_multiplier: (json) => scaleOf(json, "residual_multiplier", "residualScale"),
  attention_multiplier(json, { headDim }) {
    const attentionScale = positive(json, "attention_multiplier", 1);
    return attentionScale === headDim ** -0.5 ? {} : { attentionScale };
  },
  logits_scaling(json) {
    const divisor = positive(json, "logits_scaling", 1);
    return divisor === 1 ? {} : { logitScale: 1 / divisor };
  },
  no_rope_layers(json, { numLayers }) {
    const every = number(json, "no_rope_layer_interval", 4);
    const rotated = numbers(json, "no_rope_layers");
    // The field's name is the contrary of what it lists: 1 where a layer has RoPE.
    const unrotated = Array.from({ length: numLayers }, (_, i) => i).filter((i) =>
      rotated === undefined || rotated.length === 0 ? (i + 1) % every === 0 : rotated[i] === 0,
    );
    return unrotated.length === 0 ? {} : { unrotated };
  },
  rope_local_base_freq(json, sizes, family) {
    if (readWindows(json, sizes, family).windows === undefined) return {};
    const nested = isObject(json.rope_parameters) ? json.rope_parameters.sliding_attention : undefined;
    if (isObject(nested)) {
      if ((nested.rope_type ?? "default") !== "default") {
        throw unsupportedArchitecture(FILE, "rope_parameters.sliding_attention with a scaling");
      }
      return { localRopeTheta: positive(nested, "rope_theta") };
    }
    return { localRopeTheta: positive(json, "rope_local_base_freq") };
  },
  experts: readExperts,
  clip_qkv(json) {
    if (json.clip_qkv === undefined || json.clip_qkv === null) return {};
    throw unsupportedArchitecture(FILE, `clip_qkv ${shown(json.clip_qkv)}`);
  },
};

function capOf(json: Json, field: string, fact: "attentionSoftcap" | "logitSoftcap"): Facts {
  return json[field] === undefined || json[field] === null ? {} : { [fact]: positive(json, field) };
}

function scaleOf(json: Json, field: string, fact: "embeddingScale" | "residualScale"): Facts {
  const factor = positive(json, field, 1);
  return factor === 1 ? {} : { [fact]: factor };
}

/** A window as long as the context hides nothing: it counts as none. */
function readWindows(json: Json, { numLayers, contextLength }: Sizes, family: Family): Facts {
  if (json.use_sliding_window === false) return {};
  const window = number(json, "sliding_window", 0);
  if (window === 0 || window >= contextLength) return {};
  if (!(Number.isInteger(window) && window > 0)) throw configInvalid(FILE, `sliding_window is ${window}`);
  const listed = layerTypes(json);
  const { windowed } = family.config;
  if (listed === undefined && windowed === undefined) {
    throw configInvalid(FILE, "there is a sliding_window, and no layer_types say of which layers");
  }
  if (listed !== undefined && listed.length !== numLayers) {
    throw configInvalid(FILE, `layer_types lists ${listed.length} layers of ${numLayers}`);
  }
  const stated = {
    every: number(json, "sliding_window_pattern", number(json, "_sliding_window_pattern", 6)),
    from: number(json, "max_window_layers", 0),
  };
  const windows = Array.from({ length: numLayers }, (_, layer) => {
    const has = listed === undefined ? windowed?.(layer, stated) : listed[layer] === "sliding_attention";
    return has ? window : 0;
  });
  return windows.every((one) => one === 0) ? {} : { windows };
}

function layerTypes(json: Json): string[] | undefined {
  const value = json.layer_types ?? undefined;
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw configInvalid(FILE, "layer_types is no list");
  const other = value.find((type) => type !== "full_attention" && type !== "sliding_attention");
  if (other !== undefined) throw unsupportedArchitecture(FILE, `layer_types ${shown(other)}`);
  return value;
}

function readExperts(json: Json, { numLayers, intermediateSize }: Sizes): Facts {
  const count = number(json, json.num_experts === undefined ? "num_local_experts" : "num_experts");
  const used = number(json, "num_experts_per_tok");
  const every = positive(json, "decoder_sparse_step", 1);
  const plain = numbers(json, "mlp_only_layers") ?? [];
  const dense = Array.from({ length: numLayers }, (_, i) => i).filter(
    (i) => plain.includes(i) || (i + 1) % every !== 0,
  );
  return {
    experts: {
      count,
      used,
      intermediateSize: positive(json, "moe_intermediate_size", intermediateSize),
      normalised: flag(json, "norm_topk_prob"),
      dense,
    },
  };
}
