// An adapter from any of the files it may come in, as an Adapter that fits a given base, or an error.

import { MoloraError } from "../../proto/errors.ts";
import { sha256 } from "../digest.ts";
import type { ModelConfig } from "../families/config.ts";
import { moduleShape } from "../families/modules.ts";
import { turn } from "../slices.ts";
import type { ByteSource, SourceFolder } from "../source.ts";
import { readFloats } from "../weights/floats.ts";
import type { Adapter, LoraModule } from "./adapter.ts";
import type { AdapterFiles } from "./adapter_files.ts";
import { checkFit, type FactorPair } from "./fit.ts";
import { readGgufAdapter } from "./gguf_adapter.ts";
import { MLX_WEIGHTS, readMlxFolder } from "./mlx.ts";
import { CONFIG, readPeftFolder } from "./peft.ts";

/**
 * Loads an adapter for a base of shape `config`, every stored type as float32: a PEFT folder, a folder of mlx-lm, or a
 * GGUF of llama.cpp, alone or in a folder without adapter_config.json.
 *
 * @throws MoloraError `file_not_found`, `config_invalid`; `adapter_unsupported` names the feature; `adapter_mismatch`
 * lists matched and unmatched tensors, missing modules and wrong shapes; `tensor_not_finite`; `adapter_no_effect` where
 * every module's delta is zero; and what the readers of safetensors and GGUF throw
 */
export async function loadAdapter(
  name: string,
  from: ByteSource | SourceFolder,
  config: ModelConfig,
): Promise<Adapter> {
  const { claims, weights, bytes } = await readFiles(from, config);
  const pairs = checkFit(claims, weights, config);

  const layers: Adapter["layers"] = Array.from({ length: config.numLayers }, () => ({}));
  for (const pair of pairs) {
    Object.assign(layers[pair.layer], await readPair(pair, config));
    await turn();
  }
  refuseNoEffect(name, layers);

  const hash = await sha256(...bytes);
  const modules = layers.flatMap((layer) => Object.values(layer));
  return {
    name,
    hash,
    layers,
    report: {
      name,
      hash,
      matched: pairs.flatMap(({ layer, modules }) => modules.map((module) => `layers.${layer}.${module}`)),
      unmatched: [],
      ranks: distinct(modules.map(({ rank }) => rank)),
      scales: distinct(modules.map(({ scale }) => scale)),
      bytes: modules.reduce((sum, { a, b }) => sum + a.byteLength + b.byteLength, 0),
    },
  };
}

async function readFiles(from: ByteSource | SourceFolder, config: ModelConfig): Promise<AdapterFiles> {
  if ("read" in from) {
    if (from.name.endsWith(".gguf")) return readGgufAdapter(from, config);
    throw new MoloraError("file_not_found", `${from.name} is a file`, { remedy: "Name the folder it lies in." });
  }
  const names = await from.list();
  if (names.includes(MLX_WEIGHTS) && !names.includes("adapter_model.safetensors")) return readMlxFolder(from);
  const gguf = names.filter((file) => file.endsWith(".gguf"));
  const alone = gguf.length === 1 && !names.includes(CONFIG) ? await from.open(gguf[0]) : undefined;
  return alone ? readGgufAdapter(alone, config) : readPeftFolder(from);
}

/** A place's modules. Those of a fused matrix share A; B's rows are theirs one behind the other. */
async function readPair(pair: FactorPair, config: ModelConfig): Promise<Adapter["layers"][number]> {
  const { rank, modules, transposed } = pair;
  const scale = pair.alpha === undefined ? pair.scale : (await readFloats(pair.alpha))[0] / rank;
  const [a, b] = await Promise.all([readFloats(pair.a), readFloats(pair.b)]);
  const straightA = transposed ? transpose(a, rank) : a;
  const straightB = transposed ? transpose(b, b.length / rank) : b;
  let first = 0;
  const parts = modules.map((module): [string, LoraModule] => {
    const [out] = moduleShape(config, module);
    const part = straightB.slice(first * rank, (first + out) * rank);
    first += out;
    return [module, { rank, scale, a: straightA, b: part }];
  });
  return Object.fromEntries(parts);
}

/** [rows, cols] of a matrix stored [cols, rows]; `rows` counts the result's. */
function transpose(stored: Float32Array, rows: number): Float32Array {
  const cols = stored.length / rows;
  return Float32Array.from(stored, (_, i) => stored[(i % cols) * rows + Math.floor(i / cols)]);
}

function refuseNoEffect(name: string, layers: Adapter["layers"]): void {
  const modules = layers.flatMap((layer) => Object.values(layer));
  const isZero = (factor: Float32Array) => factor.every((x) => x === 0);
  if (!modules.every(({ scale, a, b }) => scale === 0 || isZero(b) || isZero(a))) return;
  throw new MoloraError("adapter_no_effect", `adapter "${name}" changes nothing: every delta B·A of it is zero`, {
    remedy: "Check that it was saved after training; a fresh LoRA has B = 0.",
  });
}

function distinct(values: number[]): number[] {
  return [...new Set(values)].sort((x, y) => x - y);
}
