import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { ModelConfig } from "../../files/families/config.ts";
import { writeSafetensors } from "../../files/weights/safetensors/safetensors_write.ts";
import { DirectoryFolder } from "../../node/files.ts";
import { MoloraError } from "../../proto/errors.ts";
import { reportMixture } from "../../router/experts.ts";
import { readMixture } from "../../router/format.ts";
import { gateTensors } from "../../router/gate_tensors.ts";
import type { KeyLayer, Mixture, MlpGate, Router } from "../../router/mixture.ts";
import { type MixtureFiles, writeMixture } from "../../router/write.ts";
import { configOf, MemoryFolder, realFolder, SMALL, values } from "../files/lora/synthetic.ts";

const EXPERTS = [
  { name: "base", adapter: undefined, sha256: undefined },
  { name: "math", adapter: "../math", sha256: "ab".repeat(32) },
  { name: "sql", adapter: "../sql", sha256: undefined },
];
const BASE = { architecture: "LlamaForCausalLM", hiddenSize: 8, numLayers: 2 };

function gates(hidden: number, outputs: number): MlpGate[] {
  return [1, 2].map((seed) => ({
    fc1Weight: values(hidden * 8, seed),
    fc1Bias: values(hidden, seed + 1),
    fc2Weight: values(outputs * hidden, seed + 2),
    fc2Bias: values(outputs, seed + 3),
  }));
}

/** Of the third expert alone there is a key. */
function keyLayers(): KeyLayer[] {
  return [1, 2].map((seed) => ({
    keys: Float32Array.from({ length: 24 }, (_, i) => (i === 16 + seed ? 1 : 0)),
    center: values(8, seed),
    thresholds: values(3, seed + 1),
  }));
}

const RULE = { topK: 2, gate: "softmax", temperature: 0.5 } as const;
const ROUTERS: Router[] = [
  { type: "mlp", hiddenSize: 5, belief: false, layers: gates(5, 3), ...RULE },
  { type: "mlp", hiddenSize: 4, belief: true, layers: gates(4, 4), ...RULE },
  { type: "arrow", ...RULE },
  { type: "uniform", ...RULE },
  {
    type: "vocabulary",
    ranges: [
      [0, 7, 2],
      [7, 50, 1],
    ],
    default: 0,
  },
  { type: "keys", memory: 0.75, default: 0, layers: keyLayers(), ...RULE },
];

function folderOf({ json, safetensors }: MixtureFiles): MemoryFolder {
  return new MemoryFolder({ "mixture.json": json, ...(safetensors && { "router.safetensors": safetensors }) });
}

test("every type of router comes back as it was written", async () => {
  for (const router of ROUTERS) {
    const files = writeMixture({ baseModel: BASE, experts: EXPERTS, router });
    const { name, hash, ...rest } = await readMixture("m", folderOf(files), SMALL);
    assert.deepEqual(rest, { baseModel: BASE, experts: EXPERTS, router }, router.type);
    assert.equal(name, "m");
    const digest = createHash("sha256").update(files.json);
    assert.equal(hash, (files.safetensors ? digest.update(files.safetensors) : digest).digest("hex"));
  }
});

/** A belief mixture's JSON, and its folder after a change to it. */
function spoiled(change: (json: Record<string, never>) => void, router = ROUTERS[1]): MemoryFolder {
  const files = writeMixture({ baseModel: BASE, experts: EXPERTS, router });
  const json = JSON.parse(files.json);
  change(json);
  return folderOf({ ...files, json: JSON.stringify(json) });
}

async function failure(folder: MemoryFolder, config: ModelConfig = SMALL): Promise<MoloraError> {
  const error = await readMixture("m", folder, config).then(
    () => assert.fail("it was read"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof MoloraError, String(error));
  return error;
}

/** Sets a field by its path; undefined removes it. */
function set(path: string, value: unknown): (json: Record<string, unknown>) => void {
  return (json) => {
    const steps = path.split(".");
    const last = steps.pop()!;
    const parent = steps.reduce((object, step) => object[step] as Record<string, unknown>, json);
    if (value === undefined) delete parent[last];
    else parent[last] = value;
  };
}

test("every field is checked and named", async () => {
  const cases: [path: string, value: unknown, named: RegExp][] = [
    ["format", "molora-mixture/2", /format/],
    ["format", undefined, /format/],
    ["note", "hello", /unknown field "note"/],
    ["base_model", undefined, /base_model/],
    ["base_model.hidden_size", "8", /hidden_size/],
    ["base_model.vocab", 1, /vocab/],
    ["experts", [], /experts/],
    ["experts", {}, /experts/],
    ["experts.1.name", "base", /experts/],
    ["experts.1.name", "a b", /name/],
    ["experts.1.adapter", 3, /adapter/],
    ["experts.1.adapter", "", /adapter/],
    ["experts.0.adapter", "../x", /adapter/],
    ["experts.1.sha256", "abc", /sha256/],
    ["experts.0.sha256", "ab".repeat(32), /sha256/],
    ["experts.1.path", "x", /path/],
    ["router", [], /router/],
    ["router.type", "moe", /type/],
    ["router.hidden_size", 0, /hidden_size/],
    ["router.hidden_size", undefined, /hidden_size/],
    ["router.activation", "relu", /activation/],
    ["router.input", "embedding", /input/],
    ["router.belief", "yes", /belief/],
    ["router.top_k", 0, /top_k/],
    ["router.top_k", 4, /top_k/],
    ["router.top_k", 1.5, /top_k/],
    ["router.gate", "sum", /gate/],
    ["router.temperature", 0, /temperature/],
    ["router.temperature", -1, /temperature/],
    ["router.temperature", "1", /temperature/],
    ["router.dropout", 0.1, /dropout/],
  ];
  for (const [path, value, named] of cases) {
    const error = await failure(spoiled(set(path, value)));
    const label = `${path} = ${JSON.stringify(value)}: ${error.message}`;
    assert.equal(error.code, "mixture_invalid", label);
    assert.match(error.message, named, label);
  }
});

test("absent rules have the stated defaults; null counts as absent", async () => {
  const bare = (type: string) => (json: Record<string, unknown>) => {
    json.router = { type };
  };
  const arrow = await readMixture("m", spoiled(bare("arrow"), ROUTERS[2]), SMALL);
  assert.deepEqual(arrow.router, { type: "arrow", topK: 1, gate: "unit", temperature: 1 });
  const uniform = await readMixture("m", spoiled(bare("uniform"), ROUTERS[2]), SMALL);
  assert.deepEqual(uniform.router, { type: "uniform", topK: 3, gate: "unit", temperature: 1 });
  const nulls = await readMixture("m", spoiled(set("router.top_k", null)), SMALL);
  assert.equal(nulls.router.type === "mlp" && nulls.router.topK, 1);
});

test("vocabulary ranges are half open, in order, apart, and name experts by index or name", async () => {
  const folder = (ranges: unknown, otherwise: unknown = 0) =>
    spoiled((json) => {
      set("router", { type: "vocabulary", ranges, default: otherwise })(json);
    }, ROUTERS[4]);
  const named = await readMixture(
    "m",
    folder(
      [
        [7, 50, "math"],
        [0, 7, "sql"],
      ],
      "base",
    ),
    SMALL,
  );
  assert.deepEqual(named.router, ROUTERS[4]);
  const wrong: unknown[] = [
    undefined,
    [[0, 7]],
    [[0, 7, 3]],
    [[0, 7, -1]],
    [[0, 7, "code"]],
    [[7, 7, 1]],
    [[-1, 7, 1]],
    [[0, 51, 1]],
    [[0, 1.5, 1]],
    [[0, 7, 1], "x"],
    [
      [0, 8, 1],
      [7, 9, 2],
    ],
  ];
  for (const ranges of wrong) {
    assert.equal((await failure(folder(ranges))).code, "mixture_invalid", JSON.stringify(ranges));
  }
  assert.equal((await failure(folder([], "code"))).code, "mixture_invalid");
  assert.equal((await failure(folder([], null))).code, "mixture_invalid");
});

test("a mixture for another base is refused, with both described", async () => {
  const cases: Partial<ModelConfig>[] = [{ architecture: "GemmaForCausalLM" }, { hiddenSize: 16 }, { numLayers: 3 }];
  for (const difference of cases) {
    const error = await failure(
      spoiled(() => {}),
      { ...SMALL, ...difference },
    );
    assert.equal(error.code, "mixture_mismatch");
    assert.match(error.message, /hidden size 8 and 2 layers; this base is/);
  }
  const mistral = spoiled(set("base_model.architecture", "MistralForCausalLM"));
  assert.equal((await readMixture("m", mistral, SMALL)).baseModel.architecture, "LlamaForCausalLM");
});

test("the router's tensors are all there, of the right shapes, finite, and no others", async () => {
  const mixture = { baseModel: BASE, experts: EXPERTS, router: ROUTERS[1] };
  const { json } = writeMixture(mixture);
  const sizes = { layers: 2, inputs: 8, hidden: 4, outputs: 4 };
  const withTensors = (change: (tensors: ReturnType<typeof gateTensors>) => ReturnType<typeof gateTensors>) =>
    folderOf({ json, safetensors: writeSafetensors(change(gateTensors(gates(4, 4), sizes))) });
  const code = async (folder: MemoryFolder) => (await failure(folder)).code;

  assert.equal(await code(withTensors((tensors) => tensors.slice(1))), "tensor_missing");
  const shaped = withTensors(([first, ...rest]) => [{ ...first, shape: [8, 4] }, ...rest]);
  assert.equal(await code(shaped), "tensor_shape");
  const extra = { name: "layers.2.fc1.bias", shape: [4], data: values(4, 1) };
  assert.equal(await code(withTensors((tensors) => [...tensors, extra])), "mixture_invalid");
  const infinite = withTensors((tensors) => {
    tensors[5].data[0] = Number.NEGATIVE_INFINITY;
    return tensors;
  });
  assert.equal(await code(infinite), "tensor_not_finite");
  assert.equal(await code(new MemoryFolder({ "mixture.json": json })), "file_not_found");
  assert.equal(await code(new MemoryFolder({})), "file_not_found");
  assert.equal(await code(spoiled(set("router.belief", false))), "tensor_shape");
  const leftOver = { ...writeMixture({ ...mixture, router: ROUTERS[2] }), safetensors: writeSafetensors([extra]) };
  assert.equal(await code(folderOf(leftOver)), "mixture_invalid");
  assert.equal(await code(new MemoryFolder({ "mixture.json": "not JSON" })), "mixture_invalid");
});

test("an arrow mixture needs an expert with an adapter", async () => {
  const experts = (json: Record<string, unknown>) => {
    json.experts = [{ name: "base" }];
    json.router = { type: "arrow" };
  };
  assert.equal((await failure(spoiled(experts, ROUTERS[2]))).code, "mixture_invalid");
});

test("other programs' mixtures are read", async (t) => {
  const config = configOf(realFolder("test/fixtures/tiny/base")!);
  const types: Record<string, string> = {
    "belief-top2": "mlp",
    "memoryless-top1": "mlp",
    arrow: "arrow",
    uniform: "uniform",
    vocabulary: "vocabulary",
  };
  for (const [name, type] of Object.entries(types)) {
    const folder = new DirectoryFolder(realFolder(`test/fixtures/tiny/mixtures/${name}`)!);
    assert.equal((await readMixture(name, folder, config)).router.type, type, name);
  }

  const nano = realFolder("models/nano", "../shared/models/nano");
  if (nano === undefined) return t.skip("models/nano is absent");
  const folder = new DirectoryFolder(`${nano}/mixtures/default`);
  const mixture: Mixture = await readMixture("default", folder, configOf(nano));
  assert.equal(mixture.router.type === "mlp" && mixture.router.belief, true);
  assert.deepEqual(reportMixture(mixture), {
    name: "default",
    hash: mixture.hash,
    router: "mlp",
    experts: ["base", "math", "sql", "medical", "code"],
    bytes: 8 * 4 * (64 * 256 + 64 + 6 * 64 + 6),
  });
});
