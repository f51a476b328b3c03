// RoPE's scaling as GGUF files state it: in metadata, and for Llama 3 and LongRoPE in tensors of factors.

import type { RopeScaling } from "../families/config.ts";
import { shown } from "../shown.ts";
import { readFloats } from "../weights/floats.ts";
import type { TensorSource } from "../weights/tensor.ts";
import { configInvalid, unsupportedArchitecture } from "./check_config.ts";
import type { GgufFields } from "./gguf_fields.ts";

/** Tensors of factors, one number for each frequency, by name. */
export type RopeFactors = ReadonlyMap<string, readonly number[]>;

const FREQS = "rope_freqs.weight";
const LONG = "rope_factors_long.weight";
const SHORT = "rope_factors_short.weight";
const MOST_FACTORS = 1 << 12;

/** Reads those a file has; they are small. */
export async function readRopeFactors({ tensors }: TensorSource): Promise<RopeFactors> {
  const factors = new Map<string, readonly number[]>();
  for (const name of [FREQS, LONG, SHORT]) {
    const tensor = tensors.get(name);
    if (tensor === undefined) continue;
    if (tensor.shape.length !== 1 || tensor.shape[0] > MOST_FACTORS) {
      throw configInvalid(name, `it has the shape [${tensor.shape.join(", ")}]`);
    }
    factors.set(name, [...(await readFloats(tensor))]);
  }
  return factors;
}

export function ggufRope(fields: GgufFields, factors: RopeFactors, contextLength: number): RopeScaling {
  const type = fields.raw("rope.scaling.type") ?? "none";
  const [freqs, long, short] = [FREQS, LONG, SHORT].map((name) => factors.get(name));
  const original = () => fields.positive("rope.scaling.original_context_length", contextLength);
  if (long !== undefined && short !== undefined) {
    const originalContext = original();
    const factor = contextLength / originalContext;
    const derived = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalContext));
    const attentionFactor = fields.positive("rope.scaling.attn_factor", derived);
    return { type: "longrope", originalContext, shortFactors: short, longFactors: long, attentionFactor };
  }
  if (freqs !== undefined) {
    if (type !== "none") throw unsupportedArchitecture(fields.file, `${FREQS} beside RoPE scaling ${shown(type)}`);
    return { type: "factors", factors: freqs };
  }
  switch (type) {
    case "none":
      return { type: "none" };
    case "linear":
      return { type, factor: fields.positive("rope.scaling.factor") };
    case "yarn": {
      const factor = fields.positive("rope.scaling.factor");
      const scale = factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1;
      return {
        type,
        factor,
        originalContext: original(),
        betaFast: fields.positive("rope.scaling.yarn_beta_fast", 32),
        betaSlow: fields.positive("rope.scaling.yarn_beta_slow", 1),
        attentionFactor: scale * fields.positive("rope.scaling.attn_factor", 1),
        truncate: true,
      };
    }
    default:
      throw unsupportedArchitecture(fields.file, `RoPE scaling ${shown(type)}`);
  }
}
