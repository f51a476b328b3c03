// A base model's files as a person has them: a Hugging Face folder, a GGUF, a GGUF in a folder; and what may be wrong.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { loadTokenizer } from "../../../engine/text/tokenizer.ts";
import { expectedTensors } from "../../../files/model_files/expected.ts";
import { openModelFiles } from "../../../files/model_files/model_files.ts";
import { MemorySource } from "../../../files/source.ts";
import type { TextList } from "../../../files/text_list.ts";
import { openPath } from "../../../node/files.ts";
import { raises } from "../../raises.ts";
import { f32Safetensors, GgufPieces, MemoryFolder, safetensorsBytes } from "../weights/build_files.ts";

const CONFIG = {
  architectures: ["LlamaForCausalLM"],
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 6,
  vocab_size: 5,
};

/** A whole tiny model as files; values differ from tensor to tensor. */
function tinyFiles() {
  const shapes: [string, number[]][] = [
    ["model.embed_tokens.weight", [5, 8]],
    ["model.layers.0.input_layernorm.weight", [8]],
    ["model.layers.0.self_attn.q_proj.weight", [8, 8]],
    ["model.layers.0.self_attn.k_proj.weight", [8, 8]],
    ["model.layers.0.self_attn.v_proj.weight", [8, 8]],
    ["model.layers.0.self_attn.o_proj.weight", [8, 8]],
    ["model.layers.0.post_attention_layernorm.weight", [8]],
    ["model.layers.0.mlp.gate_proj.weight", [6, 8]],
    ["model.layers.0.mlp.up_proj.weight", [6, 8]],
    ["model.layers.0.mlp.down_proj.weight", [8, 6]],
    ["model.norm.weight", [8]],
    ["lm_head.weight", [5, 8]],
  ];
  const tensors = Object.fromEntries(
    shapes.map(([name, shape], t) => {
      const length = shape.reduce((product, size) => product * size, 1);
      return [name, { shape, values: Float32Array.from({ length }, (_, i) => t + i / 1000) }];
    }),
  );
  const files: Record<string, string | Uint8Array> = {
    "config.json": JSON.stringify({ ...CONFIG, eos_token_id: 1 }),
    "generation_config.json": JSON.stringify({ eos_token_id: [2, 1] }),
    "tokenizer.json": '{"model":{}}',
  };
  return { tensors, files, weights: f32Safetensors(tensors) };
}

test("a Hugging Face folder", async () => {
  const { files, weights } = tinyFiles();
  const model = await openModelFiles(new MemoryFolder({ ...files, "model.safetensors": weights }));
  assert.deepEqual(model.config.eosIds, [2, 1]);
  assert.equal(model.config.headDim, 4);
  assert.deepEqual(model.tokenizerFiles, {
    kind: "hf",
    tokenizer: { model: {} },
    tokenizerConfig: undefined,
    chatTemplate: undefined,
  });
  assert.match(model.hash, /^[0-9a-f]{64}$/);
});

test("the chat template: its own file first, else the configuration's, by name where there are several", async () => {
  const { files, weights } = tinyFiles();
  const template = async (more: Record<string, string>) => {
    const model = await openModelFiles(new MemoryFolder({ ...files, ...more, "model.safetensors": weights }));
    return model.tokenizerFiles.kind === "hf" ? model.tokenizerFiles.chatTemplate : assert.fail();
  };
  const stated = (chat_template: unknown) => ({ "tokenizer_config.json": JSON.stringify({ chat_template }) });
  assert.equal(await template(stated("a")), "a");
  assert.equal(await template({ ...stated("a"), "chat_template.jinja": "b" }), "b");
  const several = [
    { name: "tool_use", template: "t" },
    { name: "default", template: "d" },
  ];
  assert.equal(await template(stated(several)), "d");
  assert.equal(await template(stated(null)), undefined);
});

test("the hash follows config and weights, and nothing else", async () => {
  const { files, tensors, weights } = tinyFiles();
  const hash = async (folder: Record<string, string | Uint8Array>) =>
    (await openModelFiles(new MemoryFolder({ "model.safetensors": weights, ...folder }))).hash;
  const original = await hash(files);
  assert.equal(await hash({ ...files, "tokenizer.json": '{"other":1}' }), original);
  assert.equal(await hash({ ...files, "extra.txt": "x" }), original);
  const reversed = f32Safetensors(Object.fromEntries(Object.entries(tensors).reverse()));
  assert.equal(await hash({ ...files, "model.safetensors": reversed }), original);
  const context = JSON.stringify({ ...CONFIG, eos_token_id: 1, max_position_embeddings: 64 });
  assert.notEqual(await hash({ ...files, "config.json": context }), original);
  const changed = structuredClone(tensors);
  changed["model.layers.0.self_attn.v_proj.weight"].values[0] += 1;
  assert.notEqual(await hash({ ...files, "model.safetensors": f32Safetensors(changed) }), original);
});

test("a tensor that is missing, has another shape, or a type that is not read", async () => {
  const { files, tensors } = tinyFiles();
  const open = (weights: Uint8Array) => () =>
    openModelFiles(new MemoryFolder({ ...files, "model.safetensors": weights }));
  const name = "model.layers.0.mlp.up_proj.weight";
  const { [name]: _, ...without } = tensors;
  await raises("tensor_missing", /no tensor model\.layers\.0\.mlp\.up_proj/, open(f32Safetensors(without)));
  const turned = { ...tensors, [name]: { shape: [8, 6], values: tensors[name].values } };
  await raises(
    "tensor_shape",
    /up_proj.weight is \[8, 6\], the config asks for \[6, 8\]/,
    open(f32Safetensors(turned)),
  );
  const typed = safetensorsBytes(
    { [name]: { dtype: "F8_E4M3", shape: [6, 8], data_offsets: [0, 48] } },
    new Uint8Array(48),
  );
  const parts = { "1.st": f32Safetensors(without), "2.st": typed };
  const weight_map = { ...Object.fromEntries(Object.keys(without).map((key) => [key, "1.st"])), [name]: "2.st" };
  const index = { "model.safetensors.index.json": JSON.stringify({ weight_map }) };
  await raises("unsupported_dtype", /up_proj.weight is stored as F8_E4M3/, () =>
    openModelFiles(new MemoryFolder({ ...files, ...parts, ...index })),
  );
});

test("of a model of text and images the text part is the model, and it is said", async () => {
  const { files, tensors } = tinyFiles();
  const plain = await openModelFiles(new MemoryFolder({ ...files, "model.safetensors": f32Safetensors(tensors) }));
  const { architectures: _, ...sizes } = CONFIG;
  const text = { ...sizes, model_type: "llama", eos_token_id: 1 };
  const wrapped = (more: object) =>
    JSON.stringify({ architectures: ["LlavaForConditionalGeneration"], text_config: text, vision_config: {}, ...more });
  const vision = { shape: [2], values: new Float32Array(2) };
  for (const [inside, head] of [
    ["language_model.model.", "language_model.lm_head.weight"],
    ["model.language_model.", "lm_head.weight"],
  ]) {
    const renamed = Object.entries(tensors).map(([name, tensor]) => [
      name === "lm_head.weight" ? head : name.replace("model.", inside),
      tensor,
    ]);
    const weights = f32Safetensors({ ...Object.fromEntries(renamed), "model.vision_tower.layers.0.weight": vision });
    const folder = (config: string) =>
      new MemoryFolder({ ...files, "config.json": config, "model.safetensors": weights });
    const model = await openModelFiles(folder(wrapped({})));
    assert.equal(model.partOf, "the text part of a LlavaForConditionalGeneration");
    assert.deepEqual([model.config, model.hash], [plain.config, plain.hash]);
    const other = wrapped({ text_config: { ...text, model_type: "mamba" } });
    await raises("unsupported_architecture", /Llava.* with a text model mamba/, () => openModelFiles(folder(other)));
  }
  assert.equal(plain.partOf, undefined);
});

test("files that are missing, no JSON, or too many", async () => {
  const { files, weights } = tinyFiles();
  const open = (more: Record<string, string | Uint8Array>) => () =>
    openModelFiles(new MemoryFolder({ ...files, "model.safetensors": weights, ...more }));
  await raises("config_invalid", /config\.json is not JSON/, open({ "config.json": "{" }));
  await raises(
    "config_invalid",
    /generation_config\.json is not a JSON object/,
    open({ "generation_config.json": "[]" }),
  );
  await raises("tokenizer_invalid", /tokenizer\.json is not JSON/, open({ "tokenizer.json": "" }));
  const { "tokenizer.json": _, ...untokenized } = files;
  const bare = new MemoryFolder({ ...untokenized, "model.safetensors": weights });
  await raises("file_not_found", /no tokenizer\.json/, () => openModelFiles(bare));
  const older = new MemoryFolder({ ...untokenized, "tokenizer.model": "?", "model.safetensors": weights });
  await raises("file_not_found", /no tokenizer\.json, only tokenizer\.model/, () => openModelFiles(older));
  await raises("file_not_found", /no config\.json/, () =>
    openModelFiles(new MemoryFolder({ "model.safetensors": weights })),
  );
  await raises("file_not_found", /no \.gguf/, () => openModelFiles(new MemoryFolder(files)));
  const two = new MemoryFolder({ "a.gguf": "", "b.gguf": "" });
  await raises("bad_arguments", /2 GGUF files: a\.gguf, b\.gguf/, () => openModelFiles(two));
  const parts = new MemoryFolder({ "a-00001-of-00002.gguf": "", "a-00002-of-00002.gguf": "", "b.gguf": "" });
  await raises("bad_arguments", /2 GGUF files: a-00001-of-00002\.gguf, b\.gguf/, () => openModelFiles(parts));
  const wrong = new MemorySource("model.safetensors", weights);
  await raises("header_invalid", /does not begin with GGUF/, () => openModelFiles(wrong));
  const foreign = new GgufPieces().start(0, 1).text("general.architecture").u32(8).text("mamba").source(0);
  await raises("unsupported_architecture", /architecture mamba/, () => openModelFiles(foreign));
});

test("the embedded base: alone and in its folder the same model", async () => {
  const folder = await openModelFiles(await openPath("models/nano"));
  const alone = await openModelFiles(await openPath("models/nano/nano.Q8_0.gguf"));
  assert.equal(folder.tokenizerFiles.kind, "hf");
  assert.equal(alone.tokenizerFiles.kind, "gguf");
  assert.equal(alone.hash, folder.hash);
  assert.equal(expectedTensors(folder.config).length, folder.tensors.tensors.size);
});

test("of a GGUF model and its projector the model is taken, and it is said", async () => {
  const gguf = await readFile("models/nano/nano.Q8_0.gguf");
  const alone = await openModelFiles(new MemoryFolder({ "nano.gguf": gguf }));
  for (const projector of ["mmproj-model-f16.gguf", "nano-mmproj.gguf", "nano.mmproj-Q8_0.gguf"]) {
    const model = await openModelFiles(new MemoryFolder({ "nano.gguf": gguf, [projector]: "" }));
    assert.deepEqual([model.partOf, model.hash], ["the language model nano.gguf", alone.hash]);
  }
  assert.equal(alone.partOf, undefined);
  const several = new MemoryFolder({ "a.gguf": "", "b.gguf": "", "mmproj.gguf": "" });
  await raises("bad_arguments", /2 GGUF files: a\.gguf, b\.gguf/, () => openModelFiles(several));
  // Without a model beside it, it is read for what it is.
  const clip = new GgufPieces().start(0, 1).text("general.architecture").u32(8).text("clip").source(0);
  const only = await clip.read(0, clip.size);
  await raises("unsupported_architecture", /architecture clip/, () =>
    openModelFiles(new MemoryFolder({ "mmproj.gguf": only })),
  );
});

test("a template that lies beside a GGUF goes before the file's own", async () => {
  const gguf = await readFile("models/nano/nano.Q8_0.gguf");
  const templateOf = async (beside: Record<string, string>) =>
    loadTokenizer((await openModelFiles(new MemoryFolder({ "nano.gguf": gguf, ...beside }))).tokenizerFiles)
      .chatTemplate;
  const own = await templateOf({});
  assert.match(own!, /messages/);
  assert.equal(await templateOf({ "chat_template.jinja": "{{ messages }}!" }), "{{ messages }}!");
});

test("the vocabulary in nano's GGUF is tokenizer.json's", async () => {
  const { tokenizerFiles } = await openModelFiles(await openPath("models/nano/nano.Q8_0.gguf"));
  const metadata = tokenizerFiles.kind === "gguf" ? tokenizerFiles.metadata : assert.fail();
  const { model } = JSON.parse(await readFile("models/nano/tokenizer.json", "utf8"));
  const tokens = metadata.get("tokenizer.ggml.tokens") as TextList;
  assert.equal(tokens.length, 4096);
  for (const [token, id] of Object.entries(model.vocab)) assert.equal(tokens.at(Number(id)), token);
  assert.deepEqual(
    [...(metadata.get("tokenizer.ggml.merges") as TextList)],
    model.merges.map((pair: string[]) => pair.join(" ")),
  );
});

test("an f32 model with a SentencePiece vocabulary", async () => {
  const { config, tensors } = await openModelFiles(await openPath("test/fixtures/stories260K"));
  assert.deepEqual([config.numHeads, config.numKvHeads, config.headDim, config.intermediateSize], [8, 4, 8, 172]);
  assert.equal(tensors.tensors.get("model.norm.weight")?.type, "f32");
});
