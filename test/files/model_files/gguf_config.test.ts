// GGUF metadata: llama.cpp's keys and defaults are understood, variants of the block refused by name.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ggufConfig } from "../../../files/model_files/gguf_config.ts";
import type { GgufValue } from "../../../files/weights/gguf/gguf.ts";
import type { StoredTensor } from "../../../files/weights/tensor.ts";
import { raises } from "../../raises.ts";

const BASE: Record<string, GgufValue> = {
  "general.architecture": "llama",
  "llama.context_length": 512,
  "llama.embedding_length": 64,
  "llama.block_count": 2,
  "llama.feed_forward_length": 128,
  "llama.attention.head_count": 4,
  "llama.attention.layer_norm_rms_epsilon": 1e-5,
};

function tensor(name: string, shape: number[]): [string, StoredTensor] {
  return [name, { name, shape, type: "f32", bytes: 0, readRows: async () => new Uint8Array(0) }];
}

const EMBEDDING = tensor("model.embed_tokens.weight", [100, 64]);

function config(more: Record<string, GgufValue>, ...names: string[]) {
  const metadata = new Map(Object.entries({ ...BASE, ...more }));
  const tensors = new Map([EMBEDDING, ...names.map((name) => tensor(name, [1]))]);
  return ggufConfig(metadata, { name: "m.gguf", tensors });
}

test("llama.cpp's defaults", () => {
  assert.deepEqual(config({}), {
    architecture: "LlamaForCausalLM",
    hiddenSize: 64,
    numLayers: 2,
    numHeads: 4,
    numKvHeads: 4,
    headDim: 16,
    intermediateSize: 128,
    vocabSize: 100,
    contextLength: 512,
    normEps: 1e-5,
    ropeTheta: 10000,
    ropeScaling: { type: "none" },
    tieEmbeddings: true,
    bosId: undefined,
    eosIds: [],
  });
});

test("what is stated is taken, 64-bit numbers too", () => {
  const stated = config(
    {
      "llama.context_length": 4096n,
      "llama.attention.head_count_kv": 2,
      "llama.attention.key_length": 32,
      "llama.rope.freq_base": 5e5,
      "llama.rope.scaling.type": "linear",
      "llama.rope.scaling.factor": 4,
      "tokenizer.ggml.bos_token_id": 1,
      "tokenizer.ggml.eos_token_id": 2,
      "tokenizer.ggml.eot_token_id": 3,
    },
    "lm_head.weight",
  );
  assert.deepEqual([stated.contextLength, stated.numKvHeads, stated.headDim, stated.ropeTheta], [4096, 2, 32, 5e5]);
  assert.deepEqual(stated.ropeScaling, { type: "linear", factor: 4 });
  assert.deepEqual([stated.tieEmbeddings, stated.bosId, stated.eosIds], [false, 1, [2, 3]]);
});

test("a window and biases are facts", () => {
  const { windows } = config({ "llama.attention.sliding_window": 4096, "llama.context_length": 8192 });
  assert.deepEqual(windows, [4096, 4096]);
  const bias = "model.layers.0.self_attn.q_proj.bias";
  assert.deepEqual(config({}, bias).biases, ["q_proj"]);
});

test("variants are refused by name", async () => {
  const refused: [Record<string, GgufValue>, RegExp][] = [
    [{ "llama.expert_count": 8 }, /8 feed-forward experts/],
    [{ "llama.rope.scaling.type": "longrope" }, /longrope/],
    [{ "general.architecture": "mamba" }, /mamba/],
    [{ "llama.rope.dimension_count": 8 }, /8 of 16/],
    [{ "llama.attention.value_length": 8 }, /value size/],
  ];
  for (const [more, name] of refused) await raises("unsupported_architecture", name, () => config(more));
  await raises("unsupported_architecture", /bias blk\.0\.attn_q\.bias/, () => config({}, "blk.0.attn_q.bias"));
  await raises("unsupported_architecture", /rope_freqs\.weight/, () => config({}, "rope_freqs.weight"));
});

test("a window that hides nothing is none", () => {
  assert.deepEqual(config({ "llama.attention.sliding_window": 512 }), config({}));
});

test("RoPE's factors come from tensors, YaRN's numbers from metadata", async () => {
  const yarn = config({
    "llama.rope.scaling.type": "yarn",
    "llama.rope.scaling.factor": 4,
    "llama.rope.scaling.original_context_length": 128,
  }).ropeScaling;
  const attentionFactor = 0.1 * Math.log(4) + 1;
  const expected = { type: "yarn", factor: 4, originalContext: 128, betaFast: 32, betaSlow: 1, attentionFactor };
  assert.deepEqual(yarn, { ...expected, truncate: true });
  const factors = (...lists: [string, number[]][]) => {
    const metadata = new Map(Object.entries(BASE));
    return () => ggufConfig(metadata, { name: "m.gguf", tensors: new Map([EMBEDDING]) }, new Map(lists)).ropeScaling;
  };
  const eight = [1, 1, 1, 2, 4, 8, 8, 8];
  assert.deepEqual(factors(["rope_freqs.weight", eight])(), { type: "factors", factors: eight });
  const long = factors(["rope_factors_long.weight", eight], ["rope_factors_short.weight", eight])();
  assert.deepEqual([long.type, "longFactors" in long && long.longFactors], ["longrope", eight]);
  await raises("config_invalid", /no 8 positive numbers/, factors(["rope_freqs.weight", [1, 2]]));
  await raises("config_invalid", /no 8 positive numbers/, factors(["rope_freqs.weight", [...eight.slice(1), -1]]));
});

test("metadata that are missing or make no sense", async () => {
  const wrong: [string, GgufValue, RegExp][] = [
    ["llama.block_count", "two", /llama\.block_count is two/],
    ["llama.attention.head_count", [4, 4], /head_count is a list/],
    ["llama.attention.head_count_kv", 3, /do not share 3/],
    ["llama.vocab_size", 0, /vocabSize is 0/],
    ["llama.rope.freq_base", 0, /ropeTheta is 0/],
    ["tokenizer.ggml.eos_token_id", 100, /token id 100/],
  ];
  for (const [key, value, reason] of wrong) await raises("config_invalid", reason, () => config({ [key]: value }));
  const bare = new Map([["general.architecture", "llama"]]);
  await raises("config_invalid", /embedding_length is missing/, () =>
    ggufConfig(bare, { name: "m", tensors: new Map() }),
  );
});
