// Every tensor a family consists of has a GGUF name, and the two namings invert each other.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelConfig } from "../../../files/families/config.ts";
import { LLAMA } from "../../../files/families/llama.ts";
import { FAMILIES } from "../../../files/families/registry.ts";
import { ggufName, hfName } from "../../../files/families/tensor_names.ts";
import { expectedTensors } from "../../../files/model_files/expected.ts";

const config = { numLayers: 12, hiddenSize: 8, vocabSize: 9, numHeads: 2, numKvHeads: 1, headDim: 4 };

test("all expected tensors go there and back", () => {
  for (const family of FAMILIES) {
    const [architecture] = family.architectures;
    const sizes = { ...config, architecture, intermediateSize: 6, tieEmbeddings: false };
    const expected = expectedTensors(sizes as ModelConfig);
    assert.equal(expected.length, 3 + 9 * 12);
    const names = expected.map(({ name }) => ggufName(family, name));
    assert.equal(new Set(names).size, expected.length);
    for (const [i, name] of names.entries()) assert.equal(hfName(family, name ?? ""), expected[i].name);
  }
});

test("names llama.cpp writes, and names it does not", () => {
  assert.equal(hfName(LLAMA, "blk.11.ffn_down.weight"), "model.layers.11.mlp.down_proj.weight");
  assert.equal(hfName(LLAMA, "token_embd.weight"), "model.embed_tokens.weight");
  for (const name of ["", "blk.x.attn_q.weight", "blk.0.attn_q.bias", "rope_freqs.weight", "blk.0.toString"]) {
    assert.equal(hfName(LLAMA, name), undefined, name);
  }
  assert.equal(ggufName(LLAMA, "model.layers.0.mlp.gate.weight"), undefined);
});
