// Tensors that a family stores otherwise than its modules: fused matrices and norms stored less 1.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelConfig } from "../../../files/families/config.ts";
import { arrangeTensors } from "../../../files/model_files/arrange.ts";
import { parseHfConfig } from "../../../files/model_files/hf_config.ts";
import { openModelFiles } from "../../../files/model_files/model_files.ts";
import { MemorySource } from "../../../files/source.ts";
import { readFloats } from "../../../files/weights/floats.ts";
import { readSafetensors } from "../../../files/weights/safetensors/safetensors.ts";
import type { StoredTensor } from "../../../files/weights/tensor.ts";
import { raises } from "../../raises.ts";
import { f32Safetensors, MemoryFolder } from "../weights/build_files.ts";

const SIZES = { hidden_size: 8, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1 };
const CONFIG = { ...SIZES, intermediate_size: 6, vocab_size: 5, pad_token_id: 0 };

type Tensors = Record<string, { shape: number[]; values: Float32Array }>;

function numbered(shape: number[], first: number) {
  const length = shape.reduce((product, size) => product * size, 1);
  return { shape, values: Float32Array.from({ length }, (_, i) => first + i) };
}

/** A Llama of two layers, every element its own number. */
function llama(): Tensors {
  const layer = (i: number): [string, number[]][] => [
    [`model.layers.${i}.input_layernorm.weight`, [8]],
    [`model.layers.${i}.self_attn.q_proj.weight`, [8, 8]],
    [`model.layers.${i}.self_attn.k_proj.weight`, [4, 8]],
    [`model.layers.${i}.self_attn.v_proj.weight`, [4, 8]],
    [`model.layers.${i}.self_attn.o_proj.weight`, [8, 8]],
    [`model.layers.${i}.post_attention_layernorm.weight`, [8]],
    [`model.layers.${i}.mlp.gate_proj.weight`, [6, 8]],
    [`model.layers.${i}.mlp.up_proj.weight`, [6, 8]],
    [`model.layers.${i}.mlp.down_proj.weight`, [8, 6]],
  ];
  const shapes: [string, number[]][] = [
    ["model.embed_tokens.weight", [5, 8]],
    ...layer(0),
    ...layer(1),
    ["model.norm.weight", [8]],
    ["lm_head.weight", [5, 8]],
  ];
  return Object.fromEntries(shapes.map(([name, shape], i) => [name, numbered(shape, 100 * i)]));
}

/** The same with q, k and v joined, and gate and up. */
function phi(): Tensors {
  const tensors = llama();
  for (const i of [0, 1]) {
    const join = (name: string, parts: string[]) => {
      const taken = parts.map((part) => tensors[`model.layers.${i}.${part}.weight`]);
      for (const part of parts) delete tensors[`model.layers.${i}.${part}.weight`];
      const values = Float32Array.from(taken.flatMap((part) => [...part.values]));
      tensors[`model.layers.${i}.${name}.weight`] = { shape: [values.length / 8, 8], values };
    };
    join("self_attn.qkv_proj", ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]);
    join("mlp.gate_up_proj", ["mlp.gate_proj", "mlp.up_proj"]);
  }
  return tensors;
}

function folder(architecture: string, tensors: Tensors) {
  return new MemoryFolder({
    "config.json": JSON.stringify({ ...CONFIG, architectures: [architecture] }),
    "tokenizer.json": '{"model":{}}',
    "model.safetensors": f32Safetensors(tensors),
  });
}

test("Phi 3's fused matrices are read as the modules they hold, in any slice", async () => {
  const { config, tensors } = await openModelFiles(folder("Phi3ForCausalLM", phi()));
  assert.deepEqual([config.architecture, config.numKvHeads], ["Phi3ForCausalLM", 1]);
  const expected = llama();
  assert.deepEqual([...tensors.tensors.keys()].sort(), Object.keys(expected).sort());
  for (const [name, { shape, values }] of Object.entries(expected)) {
    const tensor = tensors.tensors.get(name) ?? assert.fail(name);
    assert.deepEqual([tensor.shape, tensor.bytes], [shape, values.byteLength]);
    assert.deepEqual(await readFloats(tensor), values, name);
  }
  const k = tensors.tensors.get("model.layers.1.self_attn.k_proj.weight") ?? assert.fail();
  const middle = await k.readRows(1, 3);
  assert.deepEqual(middle, new Uint8Array(expected[k.name].values.slice(8, 24).buffer));
  await raises("tensor_out_of_range", /rows 3\.\.5/, () => k.readRows(3, 5));
});

test("a fused matrix of another height, and one in a family without", async () => {
  const wrong = phi();
  wrong["model.layers.1.self_attn.qkv_proj.weight"] = numbered([15, 8], 0);
  await raises("unsupported_architecture", /tensor model\.layers\.1\.self_attn\.qkv_proj/, () =>
    openModelFiles(folder("Phi3ForCausalLM", wrong)),
  );
  await raises("unsupported_architecture", /tensor model\.layers\.0\.self_attn\.qkv_proj/, () =>
    openModelFiles(folder("LlamaForCausalLM", phi())),
  );
});

test("a tensor in a layer that nothing reads is refused; old tables and layers beyond the last are not", async () => {
  const more = (name: string) => folder("LlamaForCausalLM", { ...llama(), [name]: numbered([4], 0) });
  const strangers = ["self_attn.q_norm.weight", "mlp.gate.weight", "self_attn.q_proj.bias"];
  for (const name of strangers) {
    await raises("unsupported_architecture", new RegExp(name), () => openModelFiles(more(`model.layers.1.${name}`)));
  }
  for (const name of ["layers.0.self_attn.rotary_emb.inv_freq", "layers.2.mlp.gate.weight", "value_head.weight"]) {
    await openModelFiles(more(`model.${name}`));
  }
});

test("Gemma's norms are stored less 1 in safetensors and whole in GGUF", async () => {
  const names = ["input_layernorm", "post_attention_layernorm"].map((name) => `model.layers.0.${name}.weight`);
  const stored = f32Safetensors(
    Object.fromEntries(
      [...names, "model.norm.weight", "model.embed_tokens.weight"].map((n, i) => [n, numbered([8], i)]),
    ),
  );
  const source = await readSafetensors(new MemorySource("m", stored));
  const config = { architecture: "GemmaForCausalLM", numLayers: 1 } as ModelConfig;
  const read = async (from: "safetensors" | "gguf", name: string) =>
    (await readFloats(arrangeTensors(config, source, from).tensors.get(name) ?? assert.fail(name)))[0];
  for (const [i, name] of [...names, "model.norm.weight"].entries()) {
    assert.deepEqual([await read("safetensors", name), await read("gguf", name)], [i + 1, i]);
  }
  assert.equal(await read("safetensors", "model.embed_tokens.weight"), 3);
});

test("a GGUF file's experts of a layer, one tensor a module, are a tensor each", async () => {
  const experts = { count: 3, used: 1, intermediateSize: 2, normalised: true, dense: [] };
  const config = { ...parseHfConfig({ ...CONFIG, architectures: ["LlamaForCausalLM"] }), numLayers: 1, experts };
  const numbers = Float32Array.from({ length: 3 * 2 * 8 }, (_, i) => i);
  const name = "model.layers.0.mlp.experts.up_proj.weight";
  const stack: StoredTensor = {
    ...{ name, type: "f32", shape: [3, 2, 8], bytes: numbers.byteLength },
    readRows: async (from, to) => new Uint8Array(numbers.buffer).slice(from * 64, to * 64),
  };
  const source = { name: "m.gguf", tensors: new Map([[name, stack]]) };
  const { tensors } = arrangeTensors({ ...config, architecture: "Qwen3MoeForCausalLM" }, source, "gguf");
  assert.deepEqual(
    [...tensors.keys()],
    [0, 1, 2].map((e) => `model.layers.0.mlp.experts.${e}.up_proj.weight`),
  );
  const second = tensors.get("model.layers.0.mlp.experts.1.up_proj.weight")!;
  assert.deepEqual([second.shape, second.bytes], [[2, 8], 64]);
  assert.deepEqual([...(await readFloats(second))], [...numbers.subarray(16, 32)]);
  assert.deepEqual(await second.readRows(1, 2), new Uint8Array(numbers.slice(24, 32).buffer));
});
