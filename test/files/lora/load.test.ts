// Adapters that are no plain PEFT folder: other element types and orders, mlx-lm's, llama.cpp's, those of fused bases.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelConfig } from "../../../files/families/config.ts";
import { type LoraModuleName, moduleShape } from "../../../files/families/modules.ts";
import type { Adapter, LoraModule } from "../../../files/lora/adapter.ts";
import { loadAdapter } from "../../../files/lora/load.ts";
import { writePeftAdapter } from "../../../files/lora/peft_write.ts";
import { MemorySource } from "../../../files/source.ts";
import { type GgufTensor, type TypedValue, writeGguf } from "../../../files/weights/gguf/gguf_write.ts";
import { type WrittenTensor, writeSafetensors } from "../../../files/weights/safetensors/safetensors_write.ts";
import { raises } from "../../raises.ts";
import { safetensorsBytes } from "../weights/build_files.ts";
import { loraModule, MemoryFolder, SMALL, values } from "./synthetic.ts";

const Q = loraModule("q_proj", 2, 2);
const PATH = "model.layers.1.self_attn.q_proj";
const LAYERS: Adapter["layers"] = [{}, { q_proj: Q }];

/** [cols, rows] of a matrix [rows, cols]. */
function turned(matrix: Float32Array, rows: number): Float32Array {
  const cols = matrix.length / rows;
  return Float32Array.from(matrix, (_, i) => matrix[(i % rows) * cols + Math.floor(i / rows)]);
}

function peft(weights: Uint8Array, fields: Record<string, unknown> = {}): MemoryFolder {
  const config = { peft_type: "LORA", r: 2, lora_alpha: 4, target_modules: ["1.self_attn.q_proj"], ...fields };
  return new MemoryFolder({ "adapter_config.json": JSON.stringify(config), "adapter_model.safetensors": weights });
}

const straight: WrittenTensor[] = [
  { name: `base_model.model.${PATH}.lora_A.weight`, shape: [2, 8], data: Q.a },
  { name: `base_model.model.${PATH}.lora_B.weight`, shape: [12, 2], data: Q.b },
];
const crossed: WrittenTensor[] = [
  { ...straight[0], shape: [8, 2], data: turned(Q.a, 2) },
  { ...straight[1], shape: [2, 12], data: turned(Q.b, 12) },
];

test("float64 factors are converted", async () => {
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const { name, shape, data } of straight) {
    header[name] = { dtype: "F64", shape, data_offsets: [end, end + data.length * 8] };
    end += data.length * 8;
  }
  const data = new Uint8Array(Float64Array.from([...Q.a, ...Q.b]).buffer);
  assert.deepEqual((await loadAdapter("a", peft(safetensorsBytes(header, data)), SMALL)).layers, LAYERS);
});

test("fan_in_fan_out: as PEFT, which heeds it for no linear layer, and turned where the shapes are", async () => {
  const load = (tensors: WrittenTensor[], fields?: object) =>
    loadAdapter("a", peft(writeSafetensors(tensors), { ...fields }), SMALL);
  assert.deepEqual((await load(straight, { fan_in_fan_out: true })).layers, LAYERS);
  assert.deepEqual((await load(crossed, { fan_in_fan_out: true })).layers, LAYERS);
  await raises("adapter_mismatch", /\[8, 2\], expected \[2, 8\]/, () => load(crossed));
});

test("a module's own alpha goes before the configuration's", async () => {
  const alpha = { name: `lora_${PATH.replaceAll(".", "_")}.alpha`, shape: [1], data: Float32Array.of(3) };
  const names = ["lora_down", "lora_up"].map((factor) => `lora_${PATH.replaceAll(".", "_")}.${factor}.weight`);
  const tensors = [...straight.map((tensor, i) => ({ ...tensor, name: names[i] })), alpha];
  const { layers, report } = await loadAdapter("a", peft(writeSafetensors(tensors)), SMALL);
  assert.deepEqual(layers, [{}, { q_proj: { ...Q, scale: 1.5 } }]);
  assert.deepEqual(report.scales, [1.5]);
});

function mlx(tensors: WrittenTensor[], fields: object = {}): MemoryFolder {
  const config = {
    fine_tune_type: "lora",
    num_layers: 1,
    lora_parameters: { rank: 2, scale: 2, dropout: 0 },
    ...fields,
  };
  return new MemoryFolder({
    "adapter_config.json": JSON.stringify(config),
    "adapters.safetensors": writeSafetensors(tensors),
  });
}

test("mlx-lm's adapters lie transposed and state their scale", async () => {
  const tensors = crossed.map((tensor, i) => ({ ...tensor, name: `${PATH}.${["lora_a", "lora_b"][i]}` }));
  assert.deepEqual((await loadAdapter("a", mlx(tensors), SMALL)).layers, LAYERS);
  const load = (tensors: WrittenTensor[], fields?: object) => () => loadAdapter("a", mlx(tensors, fields), SMALL);
  await raises("adapter_mismatch", /no lora_B/, load(tensors.slice(0, 1)));
  await raises(
    "adapter_mismatch",
    /no place.*mlp\.q_proj/,
    load([...tensors, { ...tensors[0], name: "model.layers.1.mlp.q_proj.lora_a" }]),
  );
  await raises("adapter_mismatch", /no tensor of it is of a module/, load([]));
  await raises("adapter_unsupported", /fine_tune_type full/, load(tensors, { fine_tune_type: "full" }));
  await raises("adapter_mismatch", /no lora_magnitude_vector/, load(tensors, { fine_tune_type: "dora" }));
  const magnitude = { name: `${PATH}.m`, shape: [12], data: values(12, 9) };
  await raises("adapter_mismatch", /no place/, load([...tensors, magnitude]));
  const [, { q_proj }] = (await loadAdapter("a", mlx([...tensors, magnitude], { fine_tune_type: "dora" }), SMALL))
    .layers;
  assert.deepEqual(q_proj?.unsettled, { magnitude: magnitude.data });
  const both = { lora_parameters: { rank: 2, scale: 2, alpha: 4 } };
  await raises("adapter_unsupported", /alpha beside its scale/, load(tensors, both));
});

/** llama.cpp's Llama rotates neighbours: its converter moves row i of a head's halves to 2i and 2i + 1, B's rows too. */
function interleaved(b: Float32Array, rank: number, headDim: number): Float32Array {
  const out = new Float32Array(b.length);
  for (let row = 0; row < b.length / rank; row++) {
    const inHead = row % headDim;
    const half = headDim / 2;
    const stored = row - inHead + (inHead < half ? 2 * inHead : 2 * (inHead - half) + 1);
    out.set(b.subarray(row * rank, (row + 1) * rank), stored * rank);
  }
  return out;
}

function gguf(more: [string, TypedValue][] = [], tensors: GgufTensor[] = ggufTensors()): MemorySource {
  const metadata = new Map<string, TypedValue>([
    ["general.type", { type: "string", value: "adapter" }],
    ["general.architecture", { type: "string", value: "llama" }],
    ["adapter.type", { type: "string", value: "lora" }],
    ["adapter.lora.alpha", { type: "f32", value: 4 }],
    ...more,
  ]);
  return new MemorySource("adapter.gguf", writeGguf(metadata, tensors));
}

function ggufTensors(weight = "blk.1.attn_q.weight"): GgufTensor[] {
  const bytes = (floats: Float32Array) => new Uint8Array(floats.slice().buffer);
  return [
    { name: `${weight}.lora_a`, type: "f32", shape: [2, 8], bytes: bytes(Q.a) },
    { name: `${weight}.lora_b`, type: "f32", shape: [12, 2], bytes: bytes(interleaved(Q.b, 2, SMALL.headDim)) },
  ];
}

test("llama.cpp's adapters: one file, alone or in a folder, B of q in its row order", async () => {
  const file = gguf();
  assert.deepEqual((await loadAdapter("a", file, SMALL)).layers, LAYERS);
  const plain = await loadAdapter("a", gguf([["adapter.lora.alpha", { type: "f32", value: 0 }]]), SMALL);
  assert.deepEqual(plain.layers, [{}, { q_proj: { ...Q, scale: 1 } }]);
  const folder = new MemoryFolder({ "lora.gguf": await file.read(0, file.size) });
  assert.deepEqual((await loadAdapter("a", folder, SMALL)).layers, LAYERS);
});

test("GGUF files that are no LoRA for this base", async () => {
  const load = (more: [string, TypedValue][], tensors?: GgufTensor[]) => () =>
    loadAdapter("a", gguf(more, tensors), SMALL);
  const text = (value: string): TypedValue => ({ type: "string", value });
  await raises("adapter_unsupported", /holds a model/, load([["general.type", text("model")]]));
  await raises(
    "adapter_unsupported",
    /architecture qwen2, the base is llama/,
    load([["general.architecture", text("qwen2")]]),
  );
  await raises("adapter_unsupported", /adapter\.type ia3/, load([["adapter.type", text("ia3")]]));
  const invocation = (value: number[]): [string, TypedValue] => [
    "adapter.alora.invocation_tokens",
    { type: "array", of: "u32", value },
  ];
  assert.deepEqual((await load([invocation([1, 7])])()).invocation, [1, 7]);
  await raises("config_invalid", /invocation_tokens is no list/, load([invocation([])]));
  await raises("config_invalid", /invocation_tokens is no list/, load([[invocation([])[0], text("1")]]));
  await raises("adapter_mismatch", /token 50, which/, load([invocation([50])]));
  await raises("adapter_mismatch", /no lora_B/, load([], ggufTensors().slice(0, 1)));
  await raises(
    "adapter_mismatch",
    /no place, first blk\.1\.strange\.lora_a/,
    load([], [...ggufTensors(), ...ggufTensors("blk.1.strange.weight")]),
  );
  await raises("adapter_unsupported", /embedding/, load([], ggufTensors("token_embd.weight")));
  await raises("file_not_found", /is a file/, () =>
    loadAdapter("a", new MemorySource("a.safetensors", new Uint8Array(9)), SMALL),
  );
});

test("a LoRA on a fused matrix is one on each of its modules", async () => {
  const config: ModelConfig = { ...SMALL, architecture: "Phi3ForCausalLM" };
  const [q, k, v] = (["q_proj", "k_proj", "v_proj"] as const).map((module) => moduleShape(config, module)[0]);
  const [a, b] = [values(2 * 8, 1), values((q + k + v) * 2, 2)];
  const fused = "base_model.model.model.layers.0.self_attn.qkv_proj";
  const tensors = [
    { name: `${fused}.lora_A.weight`, shape: [2, 8], data: a },
    { name: `${fused}.lora_B.weight`, shape: [q + k + v, 2], data: b },
  ];
  const fields = { target_modules: ["0.self_attn.qkv_proj"] };
  const { layers, report } = await loadAdapter("a", peft(writeSafetensors(tensors), fields), config);
  const part = (from: number, rows: number) => ({ rank: 2, scale: 2, a, b: b.slice(from * 2, (from + rows) * 2) });
  assert.deepEqual(layers[0], { q_proj: part(0, q), k_proj: part(q, k), v_proj: part(q + k, v) });
  assert.deepEqual(report.matched, ["layers.0.q_proj", "layers.0.k_proj", "layers.0.v_proj"]);
  await raises("adapter_mismatch", /no place/, () => loadAdapter("a", peft(writeSafetensors(tensors), fields), SMALL));
});

/** scale · B · A, row by row. */
function delta({ rank, scale, a, b }: LoraModule): number[] {
  const cols = a.length / rank;
  return Array.from({ length: (b.length / rank) * cols }, (_, i) => {
    const [row, col] = [Math.floor(i / cols), i % cols];
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += b[row * rank + r] * a[r * cols + col];
    return scale * sum;
  });
}

test("LoRAs of a fused matrix's modules are written as one, with the same deltas", async () => {
  const config: ModelConfig = { ...SMALL, architecture: "Phi3ForCausalLM" };
  const made: Adapter["layers"] = [
    { q_proj: loraModule("q_proj", 2, 2), v_proj: loraModule("v_proj", 3, 1), o_proj: loraModule("o_proj", 2, 2) },
    { gate_proj: loraModule("gate_proj", 2, 2), up_proj: loraModule("up_proj", 2, 2) },
  ];
  const { config: json, safetensors } = writePeftAdapter({ layers: made }, config);
  const folder = new MemoryFolder({ "adapter_config.json": json, "adapter_model.safetensors": safetensors });
  const { layers, report } = await loadAdapter("a", folder, config);
  assert.deepEqual(report.ranks, [2, 4, 5]);
  for (const [i, layer] of made.entries()) {
    for (const [name, lora] of Object.entries(layer)) {
      const read = layers[i][name as LoraModuleName] ?? assert.fail(name);
      assert.deepEqual(delta(read), delta(lora), `${i} ${name}`);
    }
  }
  assert.ok(layers[0].k_proj?.b.every((value) => value === 0));
});

test("of a mixture of experts, attention and dense layers take a LoRA; what else is said of experts is refused by name", async () => {
  const experts = { count: 4, used: 2, intermediateSize: 8, normalised: true, dense: [1] };
  const config: ModelConfig = { ...SMALL, architecture: "Qwen3MoeForCausalLM", experts };
  const pair = (path: string, [out, inp]: [number, number]): WrittenTensor[] => [
    { name: `${path}.lora_A.weight`, shape: [2, inp], data: values(2 * inp, 1) },
    { name: `${path}.lora_B.weight`, shape: [out, 2], data: values(2 * out, 2) },
  ];
  const dense = pair("base_model.model.model.layers.1.mlp.up_proj", moduleShape(config, "up_proj"));
  const attention = [0, 1].flatMap((layer) =>
    pair(`base_model.model.model.layers.${layer}.self_attn.q_proj`, moduleShape(config, "q_proj")),
  );
  const load = (tensors: WrittenTensor[]) => {
    const peft = { peft_type: "LORA", r: 2, lora_alpha: 4, target_modules: ["q_proj", "up_proj"] };
    const files = {
      "adapter_config.json": JSON.stringify(peft),
      "adapter_model.safetensors": writeSafetensors(tensors),
    };
    return loadAdapter("a", new MemoryFolder(files), config);
  };
  const { layers } = await load([...attention, ...dense]);
  assert.deepEqual(
    layers.map((layer) => Object.keys(layer).sort()),
    [["q_proj"], ["q_proj", "up_proj"]],
  );
  const magnitude = { name: "base_model.model.model.layers.0.mlp.experts.3.up_proj.lora_magnitude_vector", shape: [8] };
  const other = { ...magnitude, data: values(8, 3) };
  await raises("adapter_unsupported", /another change of the matrices of a base's experts/, () =>
    load([...attention, ...dense, other]),
  );
  const router = { name: "base_model.model.model.layers.0.mlp.gate.modules_to_save.weight", shape: [4, 8] };
  await raises("adapter_unsupported", /fully trained modules/, () =>
    load([...attention, ...dense, { ...router, data: values(32, 4) }]),
  );
});
