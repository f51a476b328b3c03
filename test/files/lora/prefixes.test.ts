// Names as tools write them, one row a tool: each loads as the same adapter, whole. And names that are of no decoder.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Adapter } from "../../../files/lora/adapter.ts";
import { loadAdapter } from "../../../files/lora/load.ts";
import { writePeftAdapter } from "../../../files/lora/peft_write.ts";
import { unwrap } from "../../../files/lora/prefixes.ts";
import { MemorySource } from "../../../files/source.ts";
import { readFloats } from "../../../files/weights/floats.ts";
import { readSafetensors } from "../../../files/weights/safetensors/safetensors.ts";
import { type WrittenTensor, writeSafetensors } from "../../../files/weights/safetensors/safetensors_write.ts";
import { raises } from "../../raises.ts";
import { loraModule, MemoryFolder, SMALL, values } from "./synthetic.ts";

const LAYERS: Adapter["layers"] = [
  { q_proj: loraModule("q_proj", 2, 2), down_proj: loraModule("down_proj", 2, 2) },
  { q_proj: loraModule("q_proj", 2, 2), down_proj: loraModule("down_proj", 2, 2) },
];

/** A module's tensor as PEFT names it: "model.layers.1.mlp.down_proj", "A". */
type Rename = (path: string, factor: "A" | "B") => string;

const TOOLS: [tool: string, rename: Rename][] = [
  ["PEFT", (path, f) => `base_model.model.${path}.lora_${f}.weight`],
  ["PEFT, with the adapter's name", (path, f) => `base_model.model.${path}.lora_${f}.default.weight`],
  ["Unsloth, Axolotl and LLaMA-Factory, which save by PEFT", (path, f) => `base_model.model.${path}.lora_${f}.weight`],
  ["torchtune, exported for PEFT", (path, f) => `base_model.model.${path}.lora_${f}.weight`],
  ["no prefix", (path, f) => `${path}.lora_${f}.weight`],
  ["no prefix at all", (path, f) => `${path.replace("model.", "")}.lora_${f}.weight`],
  ["a decoder without its head", (path, f) => `base_model.model.${path.replace("model.", "")}.lora_${f}.weight`],
  ["DistributedDataParallel", (path, f) => `module.base_model.model.${path}.lora_${f}.default.weight`],
  ["DeepSpeed within Lightning", (path, f) => `_forward_module.module.base_model.model.${path}.lora_${f}.weight`],
  ["torch.compile", (path, f) => `_orig_mod.base_model.model.${path}.lora_${f}.weight`],
  ["torch.compile of layers", (path, f) => `base_model.model.${inLayer(path, "_orig_mod")}.lora_${f}.weight`],
  [
    "FSDP",
    (path, f) => `_fsdp_wrapped_module.base_model.model.${inLayer(path, "_fsdp_wrapped_module")}.lora_${f}.weight`,
  ],
  ["checkpointing", (path, f) => `base_model.model.${inLayer(path, "_checkpoint_wrapped_module")}.lora_${f}.weight`],
  ["a prefix twice", (path, f) => `base_model.model.base_model.model.${path}.lora_${f}.weight`],
  ["a model within a model", (path, f) => `base_model.model.model.${path}.lora_${f}.weight`],
  ["TRL's value head", (path, f) => `pretrained_model.base_model.model.${path}.lora_${f}.weight`],
  ["text and images, transformers 4", (path, f) => `base_model.model.language_model.${path}.lora_${f}.weight`],
  ["text and images, transformers 5", (path, f) => `base_model.model.${within(path)}.lora_${f}.weight`],
  ["InternVL", (path, f) => `base_model.model.llm.${path}.lora_${f}.weight`],
  ["loralib", (path, f) => `${path}.lora_${f}`],
  ["kohya", (path, f) => `lora_${path.replaceAll(".", "_")}.lora_${f === "A" ? "down" : "up"}.weight`],
  ["diffusers", (path, f) => `${path}.lora_${f === "A" ? "down" : "up"}.weight`],
];

function inLayer(path: string, wrapper: string): string {
  return path.replace(/(layers\.\d+)/, `$1.${wrapper}`);
}

function within(path: string): string {
  return path.replace("model.", "model.language_model.");
}

async function written(rename: Rename): Promise<WrittenTensor[]> {
  const { safetensors } = writePeftAdapter({ layers: LAYERS }, SMALL);
  const { tensors } = await readSafetensors(new MemorySource("made", safetensors));
  return Promise.all(
    [...tensors.values()].map(async (tensor) => {
      const [, path, factor] = /^base_model\.model\.(.+)\.lora_([AB])\.weight$/.exec(tensor.name) ?? [];
      return { name: rename(path, factor as "A" | "B"), shape: tensor.shape, data: await readFloats(tensor) };
    }),
  );
}

function folder(tensors: readonly WrittenTensor[], fields: Record<string, unknown> = {}): MemoryFolder {
  const config = { peft_type: "LORA", r: 2, lora_alpha: 4, target_modules: ["q_proj", "down_proj"], ...fields };
  return new MemoryFolder({
    "adapter_config.json": JSON.stringify(config),
    "adapter_model.safetensors": writeSafetensors([...tensors]),
  });
}

for (const [tool, rename] of TOOLS) {
  test(`${tool}: ${rename("model.layers.0.mlp.down_proj", "A")}`, async () => {
    const tensors = await written(rename);
    assert.deepEqual((await loadAdapter("a", folder(tensors), SMALL)).layers, LAYERS);
    const [, ...fewer] = tensors;
    await raises("adapter_mismatch", /no lora_[AB]/, () => loadAdapter("a", folder(fewer), SMALL));
  });
}

test("target patterns may mean the path in the whole model", async () => {
  const tensors = await written((path, f) => `base_model.model.${within(path)}.lora_${f}.weight`);
  const fields = { target_modules: "model\\.language_model\\.layers\\.\\d+\\..*(q_proj|down_proj)" };
  assert.deepEqual((await loadAdapter("a", folder(tensors, fields), SMALL)).layers, LAYERS);
});

test("what lies outside of the decoder, or in two of its wrappings at once, is not taken", async () => {
  const name = "base_model.model.vision_tower.encoder.layers.0.self_attn.q_proj.lora_A.weight";
  const tensors = await written((path, f) => `base_model.model.language_model.${path}.lora_${f}.weight`);
  const seeing = [...tensors, { name, shape: [2, 8], data: values(16, 1) }];
  await raises("adapter_mismatch", /1 tensors have no place, first base_model\.model\.vision_tower/, () =>
    loadAdapter("a", folder(seeing), SMALL),
  );
  const mixed = await written((path, f) => `base_model.model.${f === "A" ? within(path) : path}.lora_${f}.weight`);
  await raises("adapter_mismatch", /several places of a model/, () => loadAdapter("a", folder(mixed), SMALL));
});

test("wrappings come off, the path inside stays", () => {
  const inner = "layers.3.self_attn.q_proj";
  for (const [name, outer] of [
    ["model.layers.3.self_attn.q_proj", "model"],
    ["base_model.model.model.language_model.layers.3.self_attn.q_proj", "model.language_model"],
    ["module.base_model.model.model.layers.3._orig_mod.self_attn.q_proj", "model"],
    ["layers.3.self_attn.q_proj", ""],
  ]) {
    assert.deepEqual(unwrap(name), { outer, inner });
  }
  assert.deepEqual(unwrap("vision_tower.layers.3"), { outer: "", inner: "vision_tower.layers.3" });
});
