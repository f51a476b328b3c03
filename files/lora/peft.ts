// A PEFT folder (adapter_config.json, adapter_model.safetensors) as an Adapter that fits a given base, or an error.
// It knows nothing of the device; peft_config.ts reads the configuration, peft_check.ts compares it with the tensors.

import { MoloraError } from "../../proto/errors.ts";
import { sha256 } from "../digest.ts";
import type { ModelConfig } from "../families/config.ts";
import { Fields } from "../fields.ts";
import { type ByteSource, MemorySource, type SourceFolder } from "../source.ts";
import { readFloats } from "../weights/floats.ts";
import { readSafetensors } from "../weights/safetensors/safetensors.ts";
import type { Adapter, LoraModule } from "./adapter.ts";
import { checkFit, type FactorPair } from "./peft_check.ts";
import { parsePeftConfig } from "./peft_config.ts";

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";
const PICKLED_WEIGHTS = "adapter_model.bin";

const MAX_CONFIG_BYTES = 4 << 20;
const MAX_WEIGHT_BYTES = 2 ** 31;

/**
 * Loads an adapter for a base of shape `config`, F32, F16 and BF16 tensors as float32.
 *
 * Errors: `file_not_found`, `config_invalid`; `adapter_unsupported` names the feature; `adapter_mismatch` lists matched
 * and unmatched tensors, missing modules and wrong shapes; `tensor_not_finite`; `adapter_no_effect` where every module's
 * delta is zero; and those of safetensors files.
 */
export async function loadPeftAdapter(name: string, folder: SourceFolder, config: ModelConfig): Promise<Adapter> {
  const configBytes = await readWhole(await open(folder, CONFIG), MAX_CONFIG_BYTES);
  const fields = await Fields.read(
    new MemorySource(`${folder.name}/${CONFIG}`, configBytes),
    MAX_CONFIG_BYTES,
    "config_invalid",
  );
  const peft = parsePeftConfig(fields);

  const weightBytes = await readWhole(await openWeights(folder), MAX_WEIGHT_BYTES);
  const weights = await readSafetensors(new MemorySource(`${folder.name}/${WEIGHTS}`, weightBytes));
  const pairs = checkFit(peft, weights, config);

  const layers: Adapter["layers"] = Array.from({ length: config.numLayers }, () => ({}));
  for (const pair of pairs) layers[pair.layer][pair.module] = await readModule(pair);
  refuseNoEffect(name, layers);

  const hash = await sha256(configBytes, weightBytes);
  return {
    name,
    hash,
    layers,
    report: {
      name,
      hash,
      matched: pairs.map(({ layer, module }) => `layers.${layer}.${module}`),
      unmatched: [],
      ranks: distinct(pairs.map(({ rank }) => rank)),
      scales: distinct(pairs.map(({ scale }) => scale)),
      bytes: deviceBytes(layers),
    },
  };
}

async function open(folder: SourceFolder, file: string): Promise<ByteSource> {
  const source = await folder.open(file);
  if (source !== undefined) return source;
  throw new MoloraError("file_not_found", `${folder.name} has no ${file}`, {
    remedy: `An adapter is a PEFT folder with ${CONFIG} and ${WEIGHTS}.`,
  });
}

async function openWeights(folder: SourceFolder): Promise<ByteSource> {
  const source = await folder.open(WEIGHTS);
  if (source === undefined && (await folder.open(PICKLED_WEIGHTS)) !== undefined) {
    throw new MoloraError(
      "adapter_unsupported",
      `${folder.name} has ${PICKLED_WEIGHTS}, a pickle, which can run code`,
      {
        remedy: `Convert it: PeftModel.from_pretrained(base, folder).save_pretrained(folder) writes ${WEIGHTS}.`,
      },
    );
  }
  return source ?? open(folder, WEIGHTS);
}

async function readWhole(source: ByteSource, limit: number): Promise<Uint8Array> {
  if (source.size > limit) {
    throw new MoloraError("adapter_unsupported", `${source.name}: ${source.size} bytes, at most ${limit} are read`);
  }
  return source.read(0, source.size);
}

async function readModule({ rank, scale, a, b }: FactorPair): Promise<LoraModule> {
  return { rank, scale, a: await readFloats(a), b: await readFloats(b) };
}

function refuseNoEffect(name: string, layers: Adapter["layers"]): void {
  const modules = layers.flatMap((layer) => Object.values(layer));
  const isZero = (factor: Float32Array) => factor.every((x) => x === 0);
  if (!modules.every(({ scale, a, b }) => scale === 0 || isZero(b) || isZero(a))) return;
  throw new MoloraError("adapter_no_effect", `adapter "${name}" changes nothing: every delta B·A of it is zero`, {
    remedy: "Check that it was saved after training; a fresh LoRA has B = 0.",
  });
}

function deviceBytes(layers: Adapter["layers"]): number {
  const modules = layers.flatMap((layer) => Object.values(layer));
  return modules.reduce((sum, { a, b }) => sum + a.byteLength + b.byteLength, 0);
}

function distinct(values: number[]): number[] {
  return [...new Set(values)].sort((x, y) => x - y);
}
