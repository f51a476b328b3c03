// Reads mixture.json ("molora-mixture/1") and router.safetensors as a Mixture that fits a given base.
// Paths of experts' adapters are handed on as they are written; nothing here opens them.

import { sha256 } from "../files/digest.ts";
import type { ModelConfig } from "../files/families/config.ts";
import { familyOfClass } from "../files/families/registry.ts";
import { Fields } from "../files/fields.ts";
import { BASE_NAME, checkName } from "../files/lora/names.ts";
import { type ByteSource, MemorySource, type SourceFolder } from "../files/source.ts";
import { readSafetensors } from "../files/weights/safetensors/safetensors.ts";
import { MoloraError } from "../proto/errors.ts";
import { readGates } from "./gate_tensors.ts";
import { readKeys } from "./key_tensors.ts";
import type { GateRule, Mixture, MixtureExpert, Router } from "./mixture.ts";

export const FORMAT = "molora-mixture/1";
export const MIXTURE_FILE = "mixture.json";
export const ROUTER_FILE = "router.safetensors";

const MAX_JSON_BYTES = 4 << 20;
const MAX_ROUTER_BYTES = 2 ** 31;
const MAX_EXPERTS = 1024;
const MAX_HIDDEN = 65_536;

/**
 * Reads a mixture for a base of shape `config`.
 *
 * @throws MoloraError `file_not_found`; `mixture_invalid`, naming the field; `mixture_mismatch` where it was made for
 * another base; `tensor_missing`, `tensor_shape`, `tensor_not_finite`, and those of safetensors files.
 */
export async function readMixture(name: string, folder: SourceFolder, config: ModelConfig): Promise<Mixture> {
  const json = await readWhole(await open(folder, MIXTURE_FILE), MAX_JSON_BYTES);
  const source = new MemorySource(`${folder.name}/${MIXTURE_FILE}`, json);
  const fields = await Fields.read(source, MAX_JSON_BYTES, "mixture_invalid");
  fields.only(["format", "base_model", "experts", "router"]);
  fields.oneOf("format", [FORMAT]);

  const baseModel = readBase(fields.object("base_model"));
  checkBase(folder.name, baseModel, config);
  const experts = readExperts(fields);
  const router = readRouter(fields.object("router"), experts, config);

  const tensors = await readTensors(folder, router, experts.length, config);
  return {
    name,
    hash: await sha256(json, ...(tensors === undefined ? [] : [tensors])),
    baseModel,
    experts,
    router,
  };
}

async function open(folder: SourceFolder, file: string): Promise<ByteSource> {
  const source = await folder.open(file);
  if (source !== undefined) return source;
  throw new MoloraError("file_not_found", `${folder.name} has no ${file}`, {
    remedy: `A mixture is a folder with ${MIXTURE_FILE} and, for a router of type "mlp" or "keys", ${ROUTER_FILE}.`,
  });
}

async function readWhole(source: ByteSource, limit: number): Promise<Uint8Array> {
  if (source.size > limit) {
    throw new MoloraError("mixture_invalid", `${source.name}: ${source.size} bytes, at most ${limit} are read`);
  }
  return source.read(0, source.size);
}

/** Fills a router's gates or keys; returns the file's bytes, undefined for routers without tensors. */
async function readTensors(
  folder: SourceFolder,
  router: Router,
  experts: number,
  config: ModelConfig,
): Promise<Uint8Array | undefined> {
  if (router.type !== "mlp" && router.type !== "keys") {
    if ((await folder.open(ROUTER_FILE)) === undefined) return undefined;
    throw new MoloraError(
      "mixture_invalid",
      `${folder.name}: a router of type "${router.type}" has no ${ROUTER_FILE}`,
      {
        remedy: `Remove ${ROUTER_FILE}, or say "type": "mlp" or "keys" if it is the router.`,
      },
    );
  }
  const bytes = await readWhole(await open(folder, ROUTER_FILE), MAX_ROUTER_BYTES);
  const source = await readSafetensors(new MemorySource(`${folder.name}/${ROUTER_FILE}`, bytes));
  const sizes = { layers: config.numLayers, inputs: config.hiddenSize };
  if (router.type === "keys") router.layers = await readKeys(source, { ...sizes, experts });
  else {
    const outputs = experts + (router.belief ? 1 : 0);
    router.layers = await readGates(source, { ...sizes, hidden: router.hiddenSize, outputs });
  }
  return bytes;
}

function readBase(fields: Fields): Mixture["baseModel"] {
  fields.only(["architecture", "hidden_size", "num_hidden_layers"]);
  return {
    architecture: familyOfClass(fields.string("architecture"))?.architectures[0] ?? fields.string("architecture"),
    hiddenSize: fields.integer("hidden_size", 1, 2 ** 24),
    numLayers: fields.integer("num_hidden_layers", 1, 2 ** 16),
  };
}

function checkBase(folder: string, made: Mixture["baseModel"], config: ModelConfig): void {
  const { architecture, hiddenSize, numLayers } = config;
  if (made.architecture === architecture && made.hiddenSize === hiddenSize && made.numLayers === numLayers) return;
  const describe = (base: Mixture["baseModel"]) =>
    `${base.architecture} with hidden size ${base.hiddenSize} and ${base.numLayers} layers`;
  const base = { architecture, hiddenSize, numLayers };
  throw new MoloraError(
    "mixture_mismatch",
    `${folder} was made for ${describe(made)}; this base is ${describe(base)}`,
    {
      remedy: "Use the base it was trained on, or train a router for this one.",
      details: { expected: made, base },
    },
  );
}

function readExperts(fields: Fields): MixtureExpert[] {
  const experts = fields.objects("experts").map(readExpert);
  if (experts.length < 1 || experts.length > MAX_EXPERTS) fields.fail("experts", `a list of 1 to ${MAX_EXPERTS}`);
  const names = experts.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) fields.fail("experts", `without two experts named "${twice}"`);
  return experts;
}

function readExpert(fields: Fields): MixtureExpert {
  fields.only(["name", "adapter", "sha256"]);
  const name = fields.string("name");
  checkName("an expert", name, "mixture_invalid");
  const adapter = fields.has("adapter") ? fields.string("adapter") : undefined;
  if (adapter === "") fields.fail("adapter", "the path of a PEFT folder");
  // Traces say "base" where nothing was added, so an expert of that name must add nothing.
  if (name === BASE_NAME && adapter !== undefined) fields.fail("adapter", `absent from the expert "${BASE_NAME}"`);
  const digest = fields.has("sha256") ? fields.string("sha256").toLowerCase() : undefined;
  if (digest !== undefined && !/^[0-9a-f]{64}$/.test(digest)) fields.fail("sha256", "64 hexadecimal digits");
  if (digest !== undefined && adapter === undefined) fields.fail("sha256", "absent where there is no adapter");
  return { name, adapter, sha256: digest };
}

function readRouter(fields: Fields, experts: MixtureExpert[], config: ModelConfig): Router {
  const rule = ["type", "top_k", "gate", "temperature"];
  switch (fields.oneOf("type", ["mlp", "arrow", "uniform", "keys", "vocabulary"])) {
    case "mlp":
      fields.only([...rule, "hidden_size", "activation", "input", "belief"]);
      if (fields.has("activation")) fields.oneOf("activation", ["silu"]);
      if (fields.has("input")) fields.oneOf("input", ["attention_norm"]);
      return {
        type: "mlp",
        hiddenSize: fields.integer("hidden_size", 1, MAX_HIDDEN),
        belief: fields.has("belief") && fields.boolean("belief"),
        layers: [],
        ...readRule(fields, experts.length, 1),
      };
    case "arrow":
      fields.only([...rule, "input"]);
      if (fields.has("input")) fields.oneOf("input", ["attention_norm"]);
      if (experts.every(({ adapter }) => adapter === undefined)) {
        fields.fail("type", "another where no expert has an adapter");
      }
      return { type: "arrow", ...readRule(fields, experts.length, 1) };
    case "uniform":
      fields.only(rule);
      // Every logit is equal, and ties go to the lower index: fewer than all would always be the same ones.
      return { type: "uniform", ...readRule(fields, experts.length, experts.length) };
    case "keys":
      fields.only([...rule, "input", "memory", "default"]);
      if (fields.has("input")) fields.oneOf("input", ["attention_norm"]);
      return {
        type: "keys",
        memory: fields.has("memory") ? readMemory(fields) : 0,
        default: readDefault(fields, experts),
        layers: [],
        ...readRule(fields, experts.length, 1),
      };
    case "vocabulary":
      fields.only(["type", "ranges", "default"]);
      return readVocabulary(fields, experts, config.vocabSize);
  }
}

function readRule(fields: Fields, experts: number, topK: number): GateRule {
  const temperature = fields.has("temperature") ? fields.number("temperature") : 1;
  if (temperature <= 0) fields.fail("temperature", "greater than 0");
  return {
    topK: fields.has("top_k") ? fields.integer("top_k", 1, experts) : topK,
    gate: fields.has("gate") ? fields.oneOf("gate", ["unit", "softmax"]) : "unit",
    temperature,
  };
}

function readMemory(fields: Fields): number {
  const memory = fields.number("memory");
  if (memory < 0 || memory > 1) fields.fail("memory", "from 0 (each token alone) to 1 (all tokens so far)");
  return memory;
}

/** An expert by its index or its name; -1: there is none. */
function expertIndex(expert: unknown, experts: MixtureExpert[]): number {
  if (typeof expert === "string") return experts.findIndex(({ name }) => name === expert);
  return Number.isInteger(expert) && (expert as number) < experts.length ? (expert as number) : -1;
}

function readDefault(fields: Fields, experts: MixtureExpert[]): number {
  const fallback = expertIndex(fields.raw("default"), experts);
  if (fallback < 0) fields.fail("default", "one of the mixture's experts, by index or name");
  return fallback;
}

/** Ranges [from, to) of token ids. */
function readVocabulary(fields: Fields, experts: MixtureExpert[], vocabSize: number): Router {
  const indexOf = (expert: unknown) => expertIndex(expert, experts);
  const ranges = fields.array("ranges").map((range): [number, number, number] => {
    const [from, to, expert] = Array.isArray(range) && range.length === 3 ? range : [];
    const valid = Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from < to && to <= vocabSize;
    if (!valid) fields.fail("ranges", `a list of [from, to, expert] with 0 ≤ from < to ≤ ${vocabSize}`);
    if (indexOf(expert) < 0) fields.fail("ranges", "made of the mixture's experts, by index or name");
    return [from, to, indexOf(expert)];
  });
  ranges.sort((a, b) => a[0] - b[0]);
  const overlap = ranges.findIndex((range, i) => i > 0 && range[0] < ranges[i - 1][1]);
  if (overlap > 0) fields.fail("ranges", `without overlaps; two hold token ${ranges[overlap][0]}`);
  return { type: "vocabulary", ranges, default: readDefault(fields, experts) };
}
