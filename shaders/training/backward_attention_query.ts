// Gradient of causal attention for its queries. See backward_attention_query.wgsl.
// It knows nothing of the rotation, which is undone afterwards.

import { type Build, compose } from "../compose.ts";
import type { HeadFacts } from "../rope_kv.ts";
import { headConstants } from "./causal_attention.ts";

const OWN = {
  step: "uniform",
  tokens: "read",
  sequences: "read",
  qkv: "read",
  attended: "read",
  lse: "read",
  d_attended: "read",
  delta: "read_write",
  dqkv: "read_write",
} as const;

/** Launched with causalAttentionGrid. */
export function backwardAttentionQuery(heads: HeadFacts): Build {
  return compose("training/backward_attention_query", OWN, headConstants(heads));
}
