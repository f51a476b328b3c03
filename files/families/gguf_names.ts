// GGUF's tensor names of the Llama family and the Hugging Face names they stand for, both ways.
// It knows nothing of the tensors themselves.

const OUTSIDE_LAYERS: readonly (readonly [gguf: string, hf: string])[] = [
  ["token_embd.weight", "model.embed_tokens.weight"],
  ["output_norm.weight", "model.norm.weight"],
  ["output.weight", "lm_head.weight"],
];

const IN_LAYER: readonly (readonly [gguf: string, hf: string])[] = [
  ["attn_norm.weight", "input_layernorm.weight"],
  ["attn_q.weight", "self_attn.q_proj.weight"],
  ["attn_k.weight", "self_attn.k_proj.weight"],
  ["attn_v.weight", "self_attn.v_proj.weight"],
  ["attn_output.weight", "self_attn.o_proj.weight"],
  ["ffn_norm.weight", "post_attention_layernorm.weight"],
  ["ffn_gate.weight", "mlp.gate_proj.weight"],
  ["ffn_up.weight", "mlp.up_proj.weight"],
  ["ffn_down.weight", "mlp.down_proj.weight"],
];

/** "blk.3.attn_q.weight" → "model.layers.3.self_attn.q_proj.weight"; undefined for a name of no Llama tensor. */
export function hfName(ggufName: string): string | undefined {
  const layered = /^blk\.(\d+)\.(.+)$/.exec(ggufName);
  if (!layered) return OUTSIDE_LAYERS.find(([gguf]) => gguf === ggufName)?.[1];
  const hf = IN_LAYER.find(([gguf]) => gguf === layered[2])?.[1];
  return hf && `model.layers.${layered[1]}.${hf}`;
}

/** The inverse of `hfName`. */
export function ggufName(hfName: string): string | undefined {
  const layered = /^model\.layers\.(\d+)\.(.+)$/.exec(hfName);
  if (!layered) return OUTSIDE_LAYERS.find(([, hf]) => hf === hfName)?.[0];
  const gguf = IN_LAYER.find(([, hf]) => hf === layered[2])?.[0];
  return gguf && `blk.${layered[1]}.${gguf}`;
}
