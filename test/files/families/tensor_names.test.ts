// Every tensor a family consists of has a GGUF name, and the two namings invert each other.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelConfig } from "../../../files/families/config.ts";
import { LLAMA } from "../../../files/families/llama.ts";
import { PHI3 } from "../../../files/families/phi3.ts";
import { FAMILIES } from "../../../files/families/registry.ts";
import { ggufName, hfName } from "../../../files/families/tensor_names.ts";
import { expectedTensors } from "../../../files/model_files/expected.ts";

const config = { numLayers: 12, hiddenSize: 8, vocabSize: 9, numHeads: 2, numKvHeads: 1, headDim: 4 };

/** Names of a family's files: the parts of a fused tensor have none there. */
function namesOf(family: (typeof FAMILIES)[number]): string[] {
  const sizes = { ...config, architecture: family.architectures[0], intermediateSize: 6, tieEmbeddings: false };
  const fused = new Set(
    family.tensors.fused?.flatMap(({ modules }) => modules.map((m) => family.tensors.modules[m].hf)),
  );
  return expectedTensors(sizes as ModelConfig)
    .map(({ name }) => name)
    .filter((name) => ![...fused].some((part) => name.includes(part)));
}

test("all expected tensors go there and back", () => {
  assert.equal(namesOf(LLAMA).length, 3 + 9 * 12);
  for (const family of FAMILIES) {
    const expected = namesOf(family);
    const names = expected.map((name) => ggufName(family, name));
    assert.equal(new Set(names).size, expected.length);
    for (const [i, name] of names.entries()) assert.equal(hfName(family, name ?? ""), expected[i]);
  }
});

test("names llama.cpp writes, and names it does not", () => {
  assert.equal(hfName(LLAMA, "blk.11.ffn_down.weight"), "model.layers.11.mlp.down_proj.weight");
  assert.equal(hfName(LLAMA, "blk.0.attn_q.bias"), "model.layers.0.self_attn.q_proj.bias");
  assert.equal(hfName(LLAMA, "token_embd.weight"), "model.embed_tokens.weight");
  for (const name of ["", "blk.x.attn_q.weight", "blk.0.attn_norm.bias", "rope_freqs.weight", "blk.0.toString"]) {
    assert.equal(hfName(LLAMA, name), undefined, name);
  }
  assert.equal(ggufName(LLAMA, "model.layers.0.mlp.gate.weight"), undefined);
  assert.equal(hfName(PHI3, "blk.3.ffn_up.weight"), "model.layers.3.mlp.gate_up_proj.weight");
  assert.equal(ggufName(PHI3, "model.layers.3.self_attn.qkv_proj.weight"), "blk.3.attn_qkv.weight");
});
