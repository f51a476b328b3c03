// LoRA on a base's own experts as PEFT's files state it, one by one and stacked, and what of it does not fit.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelConfig } from "../../../files/families/config.ts";
import { loadAdapter } from "../../../files/lora/load.ts";
import { type WrittenTensor, writeSafetensors } from "../../../files/weights/safetensors/safetensors_write.ts";
import { raises } from "../../raises.ts";
import { MemoryFolder, SMALL, values } from "./synthetic.ts";

const [EXPERTS, FFN, HIDDEN] = [4, 12, 8];
const experts = { count: EXPERTS, used: 2, intermediateSize: FFN, normalised: true, dense: [1] };
const config: ModelConfig = { ...SMALL, architecture: "Qwen3MoeForCausalLM", experts };
const MLP = "base_model.model.model.layers.0.mlp";

function pair(path: string, rank: number, [out, inp]: [number, number], count = 1): WrittenTensor[] {
  return [
    { name: `${path}.lora_A.weight`, shape: [rank * count, inp], data: values(rank * count * inp, path.length) },
    { name: `${path}.lora_B.weight`, shape: [out, rank * count], data: values(out * rank * count, path.length + 1) },
  ];
}

function load(tensors: WrittenTensor[], fields: object, base = config) {
  const peft = JSON.stringify({ peft_type: "LORA", r: 2, lora_alpha: 4, ...fields });
  const files = { "adapter_config.json": peft, "adapter_model.safetensors": writeSafetensors(tensors) };
  return loadAdapter("a", new MemoryFolder(files), base);
}

const linear = Array.from({ length: EXPERTS }, (_, e) => [
  ...pair(`${MLP}.experts.${e}.gate_proj`, 2, [FFN, HIDDEN]),
  ...pair(`${MLP}.experts.${e}.down_proj`, e === 1 ? 3 : 2, [HIDDEN, FFN]),
]).flat();
const named = { target_modules: ["experts.0.gate_proj", "gate_proj", "down_proj"], layers_to_transform: [0] };
const patterned = { ...named, rank_pattern: { "experts.1.down_proj": 3 } };
const both = { target_modules: [], target_parameters: ["mlp.experts.gate_up_proj", "down_proj"] };
const stacked = [
  ...pair(`${MLP}.experts.base_layer`, 2, [2 * FFN, HIDDEN], EXPERTS),
  ...pair(`${MLP}.experts`, 2, [HIDDEN, FFN], EXPERTS),
];

test("an expert's own pairs: all of a module one behind another, of the highest rank, scales in B", async () => {
  const loaded = await load(linear, patterned);
  const { gate_proj: gate, down_proj: down } = loaded.experts![0];
  assert.deepEqual([gate?.rank, down?.rank, gate?.scale], [2, 3, 1]);
  assert.deepEqual(gate!.a.subarray(2 * HIDDEN, 4 * HIDDEN), linear[4].data);
  const first = linear[3].data as Float32Array;
  assert.deepEqual(
    down!.b.subarray(0, 6),
    Float32Array.of(2 * first[0], 2 * first[1], 0, 2 * first[2], 2 * first[3], 0),
  );
  assert.deepEqual(loaded.experts![1], {});
  assert.deepEqual(loaded.report.matched, ["layers.0.experts.gate_proj", "layers.0.experts.down_proj"]);
  assert.deepEqual(loaded.report.ranks, [2, 3]);
});

test("stacked parameters: A lies expert by expert, B's columns rank by rank; gate and up share A", async () => {
  const { experts: layers } = await load(stacked, both);
  const { gate_proj: gate, up_proj: up, down_proj: down } = layers![0];
  assert.equal(gate!.a, up!.a);
  assert.equal(gate!.scale, 2);
  const b = stacked[1].data as Float32Array;
  // Expert 3's row 5 of up, rank 1.
  assert.equal(up!.b[(3 * FFN + 5) * 2 + 1], b[((FFN + 5) * 2 + 1) * EXPERTS + 3]);
  assert.deepEqual(down!.a, stacked[2].data);
  const alone = pair(`${MLP}.experts`, 2, [HIDDEN, FFN], EXPERTS);
  const { experts: one } = await load(alone, { target_parameters: ["mlp.experts.down_proj"] });
  assert.deepEqual(Object.keys(one![0]), ["down_proj"]);
  const router = pair(`${MLP}.gate`, 2, [EXPERTS, HIDDEN]);
  const { experts: chosen } = await load(router, { target_parameters: ["mlp.gate.weight"] });
  assert.deepEqual(Object.keys(chosen![0]), ["router"]);
});

/** Tensors of three dimensions: [experts, rank, in] and [experts, out, rank]. */
function together(path: string, rank: number, [out, inp]: [number, number]): WrittenTensor[] {
  return [
    { name: `${path}.lora_a`, shape: [EXPERTS, rank, inp], data: values(EXPERTS * rank * inp, 5) },
    { name: `${path}.lora_b`, shape: [EXPERTS, out, rank], data: values(EXPERTS * out * rank, 6) },
  ];
}

test("mlx-lm's switch layers: all experts of a module together, and a router whose factors lie transposed", async () => {
  const mlp = "model.layers.0.mlp";
  const config_ = JSON.stringify({ fine_tune_type: "lora", lora_parameters: { rank: 2, scale: 20 } });
  const down = together(`${mlp}.switch_mlp.down_proj`, 2, [HIDDEN, FFN]);
  const router: WrittenTensor[] = [
    { name: `${mlp}.gate.lora_a`, shape: [HIDDEN, 2], data: values(HIDDEN * 2, 1) },
    { name: `${mlp}.gate.lora_b`, shape: [2, EXPERTS], data: values(2 * EXPERTS, 2) },
  ];
  const of = (tensors: WrittenTensor[]) => {
    const files = { "adapter_config.json": config_, "adapters.safetensors": writeSafetensors(tensors) };
    return loadAdapter("a", new MemoryFolder(files), config);
  };
  const { experts: layers } = await of([...down, ...router]);
  assert.deepEqual(layers![0].down_proj, { rank: 2, scale: 20, a: down[0].data, b: down[1].data });
  const { a, b, scale } = layers![0].router!;
  assert.equal(scale, 20);
  assert.deepEqual([a[HIDDEN + 3], b[2 * 3 + 1]], [router[0].data[3 * 2 + 1], router[1].data[EXPERTS + 3]]);
  await raises("adapter_mismatch", /no lora_b|no lora_B/, () => of([...down.slice(0, 1), ...router]));
  const flat = down.map((tensor) => ({ ...tensor, shape: [EXPERTS * tensor.shape[1], tensor.shape[2]] }));
  await raises("adapter_mismatch", /expected/, () => of(flat));
});

test("tensors, configuration and base must agree", async () => {
  await raises("adapter_mismatch", /experts.3.down_proj \(no lora_A and lora_B\)/, () =>
    load(linear.slice(0, -2), patterned),
  );
  await raises("adapter_mismatch", /expected rank 2/, () => load(linear, named));
  await raises("adapter_mismatch", /has no place/, () => load(linear, { target_modules: ["gate_proj"] }));
  await raises("adapter_mismatch", /down_proj has no tensors/, () => load(stacked.slice(0, 2), both));
  await raises("adapter_mismatch", /no lora_B/, () => load(stacked.slice(0, -1), both));
  await raises("adapter_mismatch", /expected \[24, 8\]/, () =>
    load(pair(`${MLP}.experts`, 2, [FFN, HIDDEN], EXPERTS), { target_parameters: ["gate_up_proj"] }),
  );
  await raises("adapter_unsupported", /target_parameters: experts.w/, () =>
    load(stacked, { target_parameters: ["experts.w"] }),
  );
  await raises("adapter_mismatch", /experts.down_proj comes twice/, () =>
    load([...stacked, ...together(`${MLP}.experts.down_proj`, 2, [HIDDEN, FFN])], both),
  );
  const plain = { ...SMALL };
  await raises("adapter_unsupported", /target_parameters: mlp/, () => load(stacked, both, plain));
  const zeros = stacked.map((tensor) => ({ ...tensor, data: new Float32Array(tensor.data.length) }));
  await raises("adapter_no_effect", /changes nothing/, () => load(zeros, both));
});
