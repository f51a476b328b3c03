// config.json: what transformers accepts is understood, what would compute something else is refused by name.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseHfConfig } from "../../../files/model_files/hf_config.ts";
import { MoloraError } from "../../../proto/errors.ts";
import { raises } from "../../raises.ts";

const BASE = {
  architectures: ["LlamaForCausalLM"],
  hidden_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 128,
  vocab_size: 100,
};
const parse = (more: object, generation?: unknown) => parseHfConfig({ ...BASE, ...more }, generation);

test("transformers' defaults", () => {
  assert.deepEqual(parse({}), {
    architecture: "LlamaForCausalLM",
    hiddenSize: 64,
    numLayers: 2,
    numHeads: 4,
    numKvHeads: 4,
    headDim: 16,
    intermediateSize: 128,
    vocabSize: 100,
    contextLength: 2048,
    normEps: 1e-6,
    ropeTheta: 10000,
    ropeScaling: { type: "none" },
    tieEmbeddings: false,
    bosId: undefined,
    eosIds: [],
  });
});

test("what is stated is taken", () => {
  const config = parse({
    num_key_value_heads: 2,
    head_dim: 32,
    rope_theta: 5e5,
    tie_word_embeddings: true,
    bos_token_id: 7,
  });
  assert.deepEqual([config.numKvHeads, config.headDim, config.ropeTheta], [2, 32, 5e5]);
  assert.deepEqual([config.tieEmbeddings, config.bosId], [true, 7]);
  assert.equal(parse({ rope_theta: 1, rope_parameters: { rope_theta: 2, rope_type: "default" } }).ropeTheta, 2);
  assert.equal(parse({ head_dim: null, num_key_value_heads: null, rope_scaling: null }).headDim, 16);
});

test("a generation ends at the ids of both files, each once", () => {
  assert.deepEqual(parse({ eos_token_id: 3 }, { eos_token_id: [5, 3] }).eosIds, [5, 3]);
  assert.deepEqual(parse({ eos_token_id: [3, 4] }, {}).eosIds, [3, 4]);
  assert.deepEqual(parse({ eos_token_id: null }).eosIds, []);
});

test("RoPE scaling, old and new spelling", () => {
  assert.deepEqual(parse({ rope_scaling: { type: "linear", factor: 2 } }).ropeScaling, { type: "linear", factor: 2 });
  const llama3 = {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const expected = { type: "llama3", factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContext: 8192 };
  assert.deepEqual(parse({ rope_scaling: llama3 }).ropeScaling, expected);
  assert.deepEqual(parse({ rope_parameters: { ...llama3, rope_theta: 5e5 } }).ropeScaling, expected);
});

test("RoPE scaling that is not known or not whole", async () => {
  await raises("unsupported_architecture", /mrope/, () => parse({ rope_scaling: { rope_type: "mrope", factor: 2 } }));
  await raises("config_invalid", /factor is missing/, () => parse({ rope_scaling: { type: "linear" } }));
  await raises("config_invalid", /factor is 0/, () => parse({ rope_scaling: { type: "linear", factor: 0 } }));
  await raises("config_invalid", /rope_scaling is not an object/, () => parse({ rope_scaling: 2 }));
  const flat = { rope_type: "llama3", factor: 8, low_freq_factor: 4, high_freq_factor: 4 };
  await raises("config_invalid", /high_freq_factor/, () => parse({ rope_scaling: flat }));
});

test("the text part of a Qwen 2 VL is a Qwen 2, nested or flat, whose RoPE of three positions is plain", () => {
  const { architectures: _, ...sizes } = { ...BASE, rope_theta: 2e6, rms_norm_eps: 1e-6 };
  const rope = { mrope_section: [2, 3, 3], rope_theta: 2e6 };
  const flat = { ...sizes, rope_scaling: { type: "mrope", mrope_section: [2, 3, 3] }, vision_config: {} };
  const images = { image_token_id: 7, vision_start_token_id: 8, video_token_id: null };
  for (const [wrapper, type] of [
    ["Qwen2VLForConditionalGeneration", "qwen2_vl_text"],
    ["Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl_text"],
  ]) {
    const read = (json: object) => parseHfConfig({ architectures: [wrapper], ...images, ...json });
    const text = { ...sizes, ...images, model_type: type, rope_parameters: { ...rope, rope_type: "default" } };
    const plain = parseHfConfig({ architectures: ["Qwen2ForCausalLM"], ...sizes });
    assert.deepEqual(read({ text_config: text, vision_config: {} }), plain);
    assert.deepEqual(read({ ...flat, model_type: type.replace("_text", "") }), plain);
    // Either place that says so ties the head.
    assert.equal(read({ text_config: { ...text, tie_word_embeddings: true } }).tieEmbeddings, true);
    assert.equal(read({ text_config: text, tie_word_embeddings: true }).tieEmbeddings, true);
    const bare = read({ text_config: { ...BASE, model_type: type } });
    assert.deepEqual([bare.normEps, bare.ropeTheta], [1e-5, 1e6]);
    const scaled = { ...rope, rope_type: "linear", factor: 2 };
    assert.deepEqual(read({ text_config: { ...text, rope_parameters: scaled } }).ropeScaling, {
      type: "linear",
      factor: 2,
    });
  }
});

test("what a Llama computes beyond a plain one are facts", () => {
  const window = parse({ architectures: ["MistralForCausalLM"], sliding_window: 1024 });
  assert.deepEqual(window.windows, [1024, 1024]);
  assert.deepEqual(parse({ architectures: ["MistralForCausalLM"] }).windows, [4096, 4096]);
  assert.deepEqual(parse({ attention_bias: true }).biases, ["q_proj", "k_proj", "v_proj", "o_proj"]);
  assert.deepEqual(parse({ mlp_bias: true }).biases, ["gate_proj", "up_proj", "down_proj"]);
  assert.deepEqual(parse({ architectures: ["Qwen2ForCausalLM"] }).biases, ["q_proj", "k_proj", "v_proj"]);
});

test("models whose computation no kernel has are refused by name", async () => {
  const refused: [object, RegExp][] = [
    [{ architectures: undefined, model_type: "mamba" }, /mamba/],
    [{ architectures: [] }, /none named/],
    [{ hidden_act: "gelu" }, /hidden_act gelu/],
    [{ partial_rotary_factor: 0.5 }, /partial_rotary_factor/],
  ];
  for (const [more, name] of refused) await raises("unsupported_architecture", name, () => parse(more));
  assert.equal(parse({ architectures: ["MistralForCausalLM"], sliding_window: null }).numLayers, 2);
});

test("Gemma's activation, as its first releases name it too", async () => {
  const gemma = { architectures: ["GemmaForCausalLM"], hidden_act: undefined };
  for (const named of [{}, { hidden_act: "gelu" }, { hidden_act: "gelu", hidden_activation: null }]) {
    assert.equal(parse({ ...gemma, ...named }).activation, "gelu_tanh");
  }
  assert.equal(parse({ ...gemma, hidden_act: "gelu", hidden_activation: "gelu_pytorch_tanh" }).activation, "gelu_tanh");
  const refused = [{ hidden_act: "silu" }, { hidden_activation: "gelu" }];
  for (const named of refused)
    await raises("unsupported_architecture", /hidden_act/, () => parse({ ...gemma, ...named }));
  assert.equal(parse({ hidden_act: "swish" }).activation, undefined);
});

test("a soft-cap that transformers has a field for and does not compute is refused", async () => {
  const gemma3 = { architectures: ["Gemma3ForCausalLM"], hidden_act: undefined };
  assert.equal(parse({ ...gemma3, attn_logit_softcapping: null }).attentionSoftcap, undefined);
  await raises("unsupported_architecture", /attn_logit_softcapping/, () =>
    parse({ ...gemma3, attn_logit_softcapping: 50 }),
  );
});

test("numbers that make no sense", async () => {
  const wrong: [object, RegExp][] = [
    [{ hidden_size: 0 }, /hiddenSize is 0/],
    [{ hidden_size: "64" }, /hidden_size is 64, not a number/],
    [{ hidden_size: undefined }, /hidden_size is missing/],
    [{ num_hidden_layers: 1.5 }, /numLayers is 1\.5/],
    [{ num_hidden_layers: 1e9 }, /numLayers is 1000000000/],
    [{ num_attention_heads: 0 }, /numHeads is 0/],
    [{ num_key_value_heads: 3 }, /4 heads do not share 3 KV heads/],
    [{ hidden_size: 66 }, /headDim is 16\.5/],
    [{ head_dim: 15 }, /head size 15 is odd/],
    [{ rms_norm_eps: 0 }, /normEps is 0/],
    [{ rope_theta: -1 }, /ropeTheta is -1/],
    [{ vocab_size: -1 }, /vocabSize is -1/],
    [{ eos_token_id: 100 }, /token id 100 is outside/],
    [{ bos_token_id: -1 }, /token id -1 is outside/],
    [{ eos_token_id: ["a"] }, /eos_token_id is no token id/],
    [{ tie_word_embeddings: 1 }, /tie_word_embeddings is 1/],
  ];
  for (const [more, reason] of wrong) await raises("config_invalid", reason, () => parse(more));
  await raises("config_invalid", /not a JSON object/, () => parseHfConfig([]));
  await raises("config_invalid", /generation_config\.json/, () => parseHfConfig(BASE, 3));
});

test("experts without number or reason", async () => {
  const sparse = {
    architectures: ["OlmoeForCausalLM"],
    num_experts: 64,
    num_experts_per_tok: 8,
    norm_topk_prob: false,
  };
  assert.equal(parse(sparse).experts?.count, 64);
  const wrong: [object, RegExp][] = [
    [{ num_experts: 3e6 }, /a layer has 3000000 experts/],
    [{ num_experts: 0 }, /a layer has 0 experts/],
    [{ num_experts: 1.5 }, /a layer has 1\.5 experts/],
    [{ num_experts_per_tok: 65 }, /a token takes 65 of 64 experts/],
    [{ num_experts_per_tok: 0 }, /a token takes 0 of 64/],
  ];
  for (const [more, reason] of wrong) await raises("config_invalid", reason, () => parse({ ...sparse, ...more }));
});

test("any JSON in any field gives a config or a typed error", () => {
  const fields = [
    ...Object.keys(BASE),
    ...["head_dim", "num_key_value_heads", "rope_parameters", "rope_scaling", "eos_token_id", "hidden_act"],
    ...["sliding_window", "tie_word_embeddings", "attention_bias", "partial_rotary_factor", "model_type"],
  ];
  fc.assert(
    fc.property(fc.constantFrom(...fields), fc.jsonValue(), fc.jsonValue(), (field, value, generation) => {
      try {
        parse({ [field]: value }, generation);
      } catch (error) {
        assert.ok(error instanceof MoloraError, `${error}`);
      }
    }),
  );
});

test("a field nobody knows is refused by its name, unless it is not set or private", async () => {
  await raises("unsupported_architecture", /the field attention_sinks/, () => parse({ attention_sinks: 4 }));
  await raises("unsupported_architecture", /the field rope_interleaved/, () => parse({ rope_interleaved: true }));
  const harmless = {
    rope_interleaved: false,
    attention_sinks: null,
    _name_or_path: "x",
    unsloth_fixed: true,
    "transformers.js_config": { kv_cache_dtype: { fp16: "float16" } },
    paddlenlp_version: "3",
    hidden_dropout_prob: 0.1,
    use_cache: 1,
  };
  assert.deepEqual(parse(harmless), parse({}));
});

test("a window that hides nothing is none; one that names its layers is that of those layers", async () => {
  assert.deepEqual(parse({ sliding_window: 2048 }), parse({}));
  await raises("config_invalid", /layer_types lists 1 layers of 2/, () =>
    parse({ sliding_window: 64, layer_types: ["full_attention"] }),
  );
  assert.deepEqual(parse({ sliding_window: 64, layer_types: ["full_attention", "full_attention"] }), parse({}));
  await raises("unsupported_architecture", /layer_types linear_attention/, () =>
    parse({ sliding_window: 64, layer_types: ["full_attention", "linear_attention"] }),
  );
});
