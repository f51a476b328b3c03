// RoPE as config.json states it, in the spelling of transformers 5 (`rope_parameters`) and of those before it.

import type { RopeScaling } from "../families/config.ts";
import { shown } from "../shown.ts";
import { configInvalid, unsupportedArchitecture } from "./check_config.ts";
import { FILE, flag, isObject, type Json, number, numbers, positive } from "./hf_fields.ts";

/** Base and scaling of the layers without a window; `json` has its family's defaults. */
export function readRope(json: Json, contextLength: number): { ropeTheta: number; ropeScaling: RopeScaling } {
  const stated = isObject(json.rope_parameters) ? json.rope_parameters : undefined;
  const rope = stated !== undefined && isObject(stated.full_attention) ? stated.full_attention : stated;
  return {
    ropeTheta: number(rope ?? json, "rope_theta", number(json, "rope_theta", 10000)),
    ropeScaling: readScaling(rope ?? json.rope_scaling, json, contextLength),
  };
}

function readScaling(scaling: unknown, json: Json, contextLength: number): RopeScaling {
  if (scaling === undefined || scaling === null) return { type: "none" };
  if (!isObject(scaling)) throw configInvalid(FILE, "rope_scaling is not an object");
  const type = scaling.rope_type ?? scaling.type ?? "default";
  // Phi 3 states it beside the scaling, where it goes before what the scaling itself says.
  const original = () =>
    positive(
      { ...scaling, ...own(json, "original_max_position_embeddings") },
      "original_max_position_embeddings",
      contextLength,
    );
  switch (type) {
    case "default":
      return { type: "none" };
    case "dynamic":
      // It stretches sequences beyond max_position_embeddings only, and none here is longer.
      positive(scaling, "factor");
      return { type: "none" };
    case "linear":
      return { type: "linear", factor: positive(scaling, "factor") };
    case "llama3": {
      const lowFreqFactor = positive(scaling, "low_freq_factor");
      const highFreqFactor = positive(scaling, "high_freq_factor");
      if (highFreqFactor <= lowFreqFactor) throw configInvalid(FILE, "high_freq_factor is not above low_freq_factor");
      return {
        type: "llama3",
        factor: positive(scaling, "factor"),
        lowFreqFactor,
        highFreqFactor,
        originalContext: original(),
      };
    }
    case "yarn":
      return yarn(scaling, original(), contextLength);
    case "longrope":
    case "su":
      return longrope(scaling, original(), contextLength);
    default:
      throw unsupportedArchitecture(FILE, `RoPE scaling ${shown(type)}`);
  }
}

function own(json: Json, field: string): Json {
  return json[field] === undefined || json[field] === null ? {} : { [field]: json[field] };
}

/** The factor of attention is stated, or follows from the scaling's (Peng 2023, eq. 22; DeepSeek's with two scales). */
function yarn(scaling: Json, originalContext: number, contextLength: number): RopeScaling {
  const factor = positive(scaling, "factor", contextLength / originalContext);
  const scale = (by: number) => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  const all = number(scaling, "mscale_all_dim", 0);
  const one = number(scaling, "mscale", 0);
  return {
    type: "yarn",
    factor,
    originalContext,
    betaFast: number(scaling, "beta_fast", 0) || 32,
    betaSlow: number(scaling, "beta_slow", 0) || 1,
    attentionFactor: positive(scaling, "attention_factor", one && all ? scale(one) / scale(all) : scale(1)),
    truncate: flag(scaling, "truncate", true),
  };
}

function longrope(scaling: Json, originalContext: number, contextLength: number): RopeScaling {
  const factor = positive(scaling, "factor", contextLength / originalContext);
  const derived = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalContext));
  const factors = (field: string) => {
    const values = numbers(scaling, field);
    if (values === undefined) throw configInvalid(FILE, `${field} is missing`);
    return values;
  };
  return {
    type: "longrope",
    originalContext,
    shortFactors: factors("short_factor"),
    longFactors: factors("long_factor"),
    attentionFactor: positive(scaling, "attention_factor", derived),
  };
}
