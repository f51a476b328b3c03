import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ModelConfig } from "../../../files/families/config.ts";
import { LORA_MODULES } from "../../../files/families/modules.ts";
import type { Adapter } from "../../../files/lora/adapter.ts";
import { loadAdapter } from "../../../files/lora/load.ts";
import { writePeftAdapter } from "../../../files/lora/peft_write.ts";
import { type WrittenTensor, writeSafetensors } from "../../../files/weights/safetensors/safetensors_write.ts";
import { DirectoryFolder } from "../../../node/files.ts";
import { MoloraError } from "../../../proto/errors.ts";
import { configOf, loraModule, MemoryFolder, realFolder, SMALL, values } from "./synthetic.ts";

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";
const Q = "base_model.model.model.layers.0.self_attn.q_proj";

/** q_proj of layer 0 alone, rank 2, as tensors to spoil. */
function tensors(): WrittenTensor[] {
  return [
    { name: `${Q}.lora_A.weight`, shape: [2, 8], data: values(16, 1) },
    { name: `${Q}.lora_B.weight`, shape: [12, 2], data: values(24, 2) },
  ];
}

function vector(factor: string, length = 12): WrittenTensor {
  return { name: `${Q}.${factor}`, shape: [length], data: values(length, 5) };
}

function folderOf(made: WrittenTensor[], fields: Record<string, unknown> = {}): MemoryFolder {
  const config = {
    peft_type: "LORA",
    r: 2,
    lora_alpha: 4,
    target_modules: ["0.self_attn.q_proj"],
    base_model_name_or_path: "someone/base",
    ...fields,
  };
  return new MemoryFolder({ [CONFIG]: JSON.stringify(config), [WEIGHTS]: writeSafetensors(made) });
}

async function failure(folder: MemoryFolder, config: ModelConfig = SMALL): Promise<MoloraError> {
  const error = await loadAdapter("a", folder, config).then(
    () => assert.fail("it loaded"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof MoloraError, String(error));
  return error;
}

/** A list of a mismatch's details. */
function listed(error: MoloraError, list: string): string[] {
  return error.details?.[list] as string[];
}

test("an adapter comes back as it was written, in every stored type", async () => {
  const layers: Adapter["layers"] = [
    { q_proj: loraModule("q_proj", 2, 2), down_proj: loraModule("down_proj", 3, 1) },
    Object.fromEntries(LORA_MODULES.map((module) => [module, loraModule(module, 2, 2)])),
  ];
  for (const type of ["f32", "f16", "bf16"] as const) {
    const files = writePeftAdapter({ layers }, SMALL, { type, baseModel: "molora/small" });
    const folder = new MemoryFolder({ [CONFIG]: files.config, [WEIGHTS]: files.safetensors });
    const loaded = await loadAdapter("small", folder, SMALL);
    assert.deepEqual(loaded.layers, layers, type);
    assert.equal(loaded.hash, createHash("sha256").update(files.config).update(files.safetensors).digest("hex"));
    assert.deepEqual(loaded.report.ranks, [2, 3]);
    assert.deepEqual(loaded.report.scales, [1, 2]);
    assert.deepEqual(loaded.report.matched.slice(0, 3), ["layers.0.q_proj", "layers.0.down_proj", "layers.1.q_proj"]);
    assert.equal(loaded.report.matched.length, 9);
    const modules = layers.flatMap((layer) => Object.values(layer));
    assert.equal(
      loaded.report.bytes,
      modules.reduce((sum, { a, b }) => sum + 4 * (a.length + b.length), 0),
    );
  }
});

test("an adapter's name may stand in the tensors' names, once", async () => {
  const named = tensors().map((tensor) => ({ ...tensor, name: tensor.name.replace(".weight", ".default.weight") }));
  assert.equal((await loadAdapter("a", folderOf(named), SMALL)).layers[0].q_proj?.rank, 2);
  const error = await failure(folderOf([...named, ...tensors()]));
  assert.equal(error.code, "adapter_mismatch");
  assert.equal(listed(error, "unmatched").length, 2);
});

test("tensors, configuration and base must agree, and what does not is listed", async () => {
  const [a, b] = tensors();
  const stranger = {
    name: "base_model.model.model.layers.0.self_attn.qkv.lora_A.weight",
    shape: [1],
    data: values(1, 1),
  };
  const beyond = tensors().map((tensor) => ({ ...tensor, name: tensor.name.replace("layers.0", "layers.7") }));
  const cases: [what: string, folder: MemoryFolder, list: string, message: RegExp][] = [
    ["a stranger", folderOf([a, b, stranger]), "unmatched", /qkv\.lora_A/],
    ["A without B", folderOf([a]), "missing", /no lora_B/],
    ["B without A", folderOf([b]), "missing", /no lora_A/],
    [
      "targets without tensors",
      folderOf([a, b], { target_modules: ["q_proj"] }),
      "missing",
      /layers\.1.*no lora_A and/,
    ],
    ["tensors without target", folderOf([a, b], { target_modules: ["k_proj"] }), "unmatched", /no place/],
    ["no target in the base", folderOf([], { target_modules: ["c_attn"] }), "matched", /name no module/],
    ["another rank", folderOf([a, b], { r: 4 }), "shapes", /\[2, 8\], expected \[4, 8\]/],
    ["a layer beyond", folderOf([a, b, ...beyond]), "unmatched", /layers\.7.*8 layers seen.*2 layers/],
    ["a transposed factor", folderOf([{ ...a, shape: [8, 2] }, b]), "shapes", /\[8, 2\]/],
    ["a B of another height", folderOf([a, { ...b, shape: [6, 4] }]), "shapes", /\[6, 4\], expected \[12, 2\]/],
    ["a magnitude without use_dora", folderOf([a, b, vector("lora_magnitude_vector")]), "unmatched", /no place/],
    ["a bias without lora_bias", folderOf([a, b, vector("lora_B.bias")]), "unmatched", /no place/],
    ["use_dora without magnitude", folderOf([a, b], { use_dora: true }), "missing", /no lora_magnitude_vector/],
    ["a short magnitude", folderOf([a, b, vector("lora_magnitude_vector", 8)], { use_dora: true }), "shapes", /\[8\]/],
    ["half a LoHa", folderOf([vector("hada_w1_a")], { peft_type: "LOHA" }), "missing", /no hada_w1_b and/],
    ["half a LoKr", folderOf([vector("lokr_w1")], { peft_type: "LOKR" }), "missing", /no lokr_w2_a and lokr_w2_b/],
    ["a bias alone", folderOf([vector("bias")], { bias: "all" }), "missing", /no lora_A and lora_B/],
    ["the wrong parent", folderOf([a, { ...b, name: b.name.replace("self_attn", "mlp") }]), "unmatched", /mlp\.q_proj/],
  ];
  for (const [what, folder, list, message] of cases) {
    const error = await failure(folder);
    assert.equal(error.code, "adapter_mismatch", `${what}: ${error.message}`);
    assert.match(error.message, message, what);
    if (list !== "matched") assert.ok(listed(error, list).length > 0, what);
  }
});

test("an adapter for another base says which", async () => {
  const error = await failure(folderOf(tensors()), { ...SMALL, hiddenSize: 16 });
  assert.equal(error.code, "adapter_mismatch");
  assert.match(error.message, /"someone\/base", hidden size 8.*this base has hidden size 16/);
  assert.equal(listed(error, "matched").length, 2);
});

test("a NaN, an infinity and an adapter without effect are refused", async () => {
  const spoil = (index: number, value: number) => {
    const made = tensors();
    made[index].data[3] = value;
    return made;
  };
  assert.equal((await failure(folderOf(spoil(0, Number.NaN)))).code, "tensor_not_finite");
  assert.equal((await failure(folderOf(spoil(1, Number.POSITIVE_INFINITY)))).code, "tensor_not_finite");
  for (const index of [0, 1]) {
    const made = tensors();
    made[index].data.fill(0);
    assert.equal((await failure(folderOf(made))).code, "adapter_no_effect");
  }
  assert.equal((await failure(folderOf(tensors(), { lora_alpha: 0 }))).code, "adapter_no_effect");
});

test("tensors of what is not served are refused by name", async () => {
  const names: [name: string, feature: RegExp][] = [
    ["base_model.model.model.embed_tokens.lora_embedding_A", /embeddings/],
    [`${Q}.lora_A.bias`, /bias of lora_A/],
    [`${Q}.dora_scale`, /dora_scale/],
    ["base_model.model.lm_head.weight", /output head/],
    ["base_model.model.lm_head.lora_A.weight", /output head/],
  ];
  for (const [name, feature] of names) {
    const error = await failure(folderOf([...tensors(), { name, shape: [4], data: values(4, 1) }]));
    assert.equal(error.code, "adapter_unsupported", name);
    assert.match(error.message, feature);
  }
});

test("folders that are no whole PEFT folder are refused", async () => {
  const whole = folderOf(tensors()).files;
  const [config, weights] = [whole.get(CONFIG)!, whole.get(WEIGHTS)!];
  assert.equal((await failure(new MemoryFolder({ [WEIGHTS]: weights }))).code, "file_not_found");
  assert.equal((await failure(new MemoryFolder({ [CONFIG]: config }))).code, "file_not_found");
  const pickled = await failure(new MemoryFolder({ [CONFIG]: config, "adapter_model.bin": weights }));
  assert.equal(pickled.code, "adapter_unsupported");
  assert.match(pickled.remedy ?? "", /save_pretrained/);
  assert.equal((await failure(new MemoryFolder({ [CONFIG]: "{", [WEIGHTS]: weights }))).code, "config_invalid");
  assert.equal((await failure(new MemoryFolder({ [CONFIG]: "[]", [WEIGHTS]: weights }))).code, "config_invalid");
  const cut = new MemoryFolder({ [CONFIG]: config, [WEIGHTS]: weights.subarray(0, weights.length - 4) });
  assert.match((await failure(cut)).code, /file_truncated|tensor_out_of_range/);
  const huge = new MemoryFolder({ [CONFIG]: " ".repeat((4 << 20) + 1), [WEIGHTS]: weights });
  assert.equal((await failure(huge)).code, "adapter_unsupported");
});

test("PEFT's own folders load: patterns, rsLoRA, partial layers, regular expressions, all-linear", async () => {
  const config = configOf(realFolder("test/fixtures/tiny/base")!);
  const load = (name: string) =>
    loadAdapter(name, new DirectoryFolder(realFolder(`test/fixtures/tiny/adapters/${name}`)!), config);
  const reports = new Map<string, [modules: number, ranks: number[], scales: number[]]>([
    ["r2", [28, [2], [2]]],
    ["r3", [28, [3], [1]]],
    ["r16", [28, [16], [0.5]]],
    ["rslora", [28, [4], [2]]],
    ["partial", [6, [4], [1]]],
    ["regex", [4, [4], [1.5]]],
    ["all-linear", [28, [2], [1]]],
  ]);
  for (const [name, [modules, ranks, scales]] of reports) {
    const { report } = await load(name);
    assert.deepEqual([report.matched.length, report.ranks, report.scales], [modules, ranks, scales], name);
  }
  const { layers } = await load("patterns");
  const of = (layer: number, module: (typeof LORA_MODULES)[number]) => {
    const { rank, scale } = layers[layer][module]!;
    return [rank, scale];
  };
  assert.deepEqual(of(0, "q_proj"), [6, 8 / 6]);
  assert.deepEqual(of(3, "v_proj"), [5, 8 / 5]);
  assert.deepEqual(of(2, "v_proj"), [4, 2]);
  assert.deepEqual(of(1, "down_proj"), [2, 4]);
  assert.deepEqual(of(0, "down_proj"), [4, 3]);
  assert.deepEqual(of(0, "k_proj"), [4, 0.5]);
});

const bases: [base: string, config: string | undefined, adapters: string | undefined, ranks: Record<string, number>][] =
  [
    [
      "nano",
      realFolder("models/nano", "../shared/models/nano"),
      realFolder("models/nano/adapters", "../shared/models/nano/adapters"),
      { math: 16, sql: 8, medical: 16, code: 32 },
    ],
    [
      "SmolLM2",
      undefined,
      realFolder("models/smollm2/adapters", "../shared/models/smollm2-adapters"),
      { math: 8, sql: 8, medical: 4, code: 16 },
    ],
  ];
/** Of SmolLM2-135M: its config.json lies in the GGUF, which is not in the repository. */
const SMOLLM2: ModelConfig = {
  ...SMALL,
  hiddenSize: 576,
  numLayers: 30,
  numHeads: 9,
  numKvHeads: 3,
  headDim: 64,
  intermediateSize: 1536,
};

for (const [base, folder, adapters, ranks] of bases) {
  test(`${base}'s adapters load and survive being written`, async (t) => {
    if (adapters === undefined) return t.skip(`${base}'s adapters are absent`);
    const config = folder === undefined ? SMOLLM2 : configOf(folder);
    for (const [name, rank] of Object.entries(ranks)) {
      const adapter = await loadAdapter(name, new DirectoryFolder(join(adapters, name)), config);
      assert.deepEqual(adapter.report.ranks, [rank], name);
      const modules = base === "SmolLM2" && name === "sql" ? 4 : 7;
      assert.equal(adapter.report.matched.length, modules * config.numLayers, name);
    }
    const sql = await loadAdapter("sql", new DirectoryFolder(join(adapters, "sql")), config);
    const files = writePeftAdapter(sql, config, { type: "f16" });
    const again = await loadAdapter(
      "sql",
      new MemoryFolder({ [CONFIG]: files.config, [WEIGHTS]: files.safetensors }),
      config,
    );
    assert.deepEqual(again.layers, sql.layers);
    const original = readFileSync(join(adapters, "sql", WEIGHTS));
    assert.equal(files.safetensors.length, original.length);
  });
}
