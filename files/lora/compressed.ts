// A compressed set of adapters ("molora-compressed/1"): compressed.json says who is in it, compressed.safetensors holds the
// factors of its clusters and the cores of its adapters. Which adapter is meant, the name says that it is loaded under.

import { MoloraError } from "../../proto/errors.ts";
import { sha256 } from "../digest.ts";
import type { ModelConfig } from "../families/config.ts";
import { LORA_MODULES, type LoraModuleName, moduleShape } from "../families/modules.ts";
import { Fields } from "../fields.ts";
import type { SourceFolder } from "../source.ts";
import { readFloats } from "../weights/floats.ts";
import { readSafetensors } from "../weights/safetensors/safetensors.ts";
import type { TensorSource } from "../weights/tensor.ts";
import { openFile } from "./adapter_files.ts";
import { CompressedAdapter } from "./compressed_adapter.ts";
import type { SharedFactors, SharedModule } from "./shared_factors.ts";

export const COMPRESSED_FORMAT = "molora-compressed/1";
export const COMPRESSED_JSON = "compressed.json";
export const COMPRESSED_WEIGHTS = "compressed.safetensors";

const MAX_JSON_BYTES = 16 << 20;
const REMEDY = `A compressed set is a folder with ${COMPRESSED_JSON} and ${COMPRESSED_WEIGHTS}.`;

export interface CompressedMember {
  name: string;
  cluster: number;
  /** SHA-256 of the adapter it was made from. */
  sha256: string;
  /** ‖Δ − U·core·V‖ / ‖Δ‖ over all its matrices. */
  error: number;
}

export interface CompressedSet {
  core: "full" | "diagonal";
  /** SHA-256 over the factors of each cluster. */
  clusters: string[];
  adapters: CompressedMember[];
}

/** Factors that some adapter in memory has: the next one of the cluster takes the same. */
const SHARED = new Map<string, WeakRef<SharedFactors>>();

/**
 * The adapter of that name out of a compressed set.
 *
 * @throws MoloraError `file_not_found` where no adapter of the set has the name; `config_invalid`; `adapter_mismatch` for
 * another base; `checksum_mismatch` where the factors are not those that were written; `tensor_missing`, `tensor_shape`
 */
export async function readCompressed(
  name: string,
  folder: SourceFolder,
  config: ModelConfig,
): Promise<CompressedAdapter> {
  const set = await readCompressedSet(folder, config);
  const index = set.adapters.findIndex((adapter) => adapter.name === name);
  if (index < 0) {
    throw new MoloraError("file_not_found", `${folder.name} holds no adapter "${name}"`, {
      remedy: `Load it under the name it has there: ${set.adapters.map((adapter) => adapter.name).join(", ")}.`,
    });
  }
  const weights = await readSafetensors(await openFile(folder, COMPRESSED_WEIGHTS, REMEDY));
  const { cluster } = set.adapters[index];
  const shared = await sharedFactors(weights, cluster, set.clusters[cluster], config);
  const cores = await readCores(weights, index, shared, set.core);
  const all = cores.flatMap((modules) => Object.values(modules));
  const hash = await sha256(new TextEncoder().encode(shared.hash), ...all.map(bytesOf));
  const modules = cores.flatMap((own, i) =>
    Object.keys(own).map((module) => shared.layers[i][module as LoraModuleName]!),
  );
  return new CompressedAdapter(
    name,
    hash,
    {
      name,
      hash,
      matched: cores.flatMap((own, i) => Object.keys(own).map((module) => `layers.${i}.${module}`)),
      unmatched: [],
      ranks: [...new Set(modules.map(({ rank }) => rank))].sort((a, b) => a - b),
      scales: [1],
      bytes: all.reduce((sum, core) => sum + core.byteLength, 0),
    },
    { shared, cores },
  );
}

/** compressed.json. @throws MoloraError `file_not_found`, `config_invalid`, `adapter_mismatch` */
export async function readCompressedSet(folder: SourceFolder, config: ModelConfig): Promise<CompressedSet> {
  const fields = await Fields.read(await openFile(folder, COMPRESSED_JSON, REMEDY), MAX_JSON_BYTES, "config_invalid");
  fields.only(["format", "base_model", "core", "clusters", "adapters"]);
  fields.oneOf("format", [COMPRESSED_FORMAT]);
  const base = fields.object("base_model");
  const made = [
    base.string("architecture"),
    base.integer("hidden_size", 1, 2 ** 24),
    base.integer("num_hidden_layers", 1, 2 ** 16),
  ];
  const here = [config.architecture, config.hiddenSize, config.numLayers];
  if (made.join() !== here.join()) {
    throw new MoloraError(
      "adapter_mismatch",
      `${folder.name} was made for ${made.join(", ")}; this base is ${here.join(", ")}`,
      {
        remedy: "Use the base that its adapters were trained on.",
      },
    );
  }
  const clusters = fields.objects("clusters").map((cluster) => cluster.string("sha256"));
  const adapters = fields.objects("adapters").map((adapter) => ({
    name: adapter.string("name"),
    cluster: adapter.integer("cluster", 0, clusters.length - 1),
    sha256: adapter.string("sha256"),
    error: adapter.number("error"),
  }));
  return { core: fields.oneOf("core", ["full", "diagonal"]), clusters, adapters };
}

/** SHA-256 over a cluster's factors, in the order of layers and modules. */
export function sharedHash(layers: SharedFactors["layers"]): Promise<string> {
  return sha256(
    ...layers.flatMap((layer) =>
      LORA_MODULES.flatMap((name) => {
        const module = layer[name];
        return module === undefined ? [] : [bytesOf(module.u), bytesOf(module.v)];
      }),
    ),
  );
}

/** Name of a tensor of a cluster ("u", "v") or of an adapter ("core"). */
export function tensorName(
  kind: "clusters" | "adapters",
  index: number,
  layer: number,
  module: string,
  part: string,
): string {
  return `${kind}.${index}.layers.${layer}.${module}.${part}`;
}

async function sharedFactors(
  weights: TensorSource,
  cluster: number,
  expected: string,
  config: ModelConfig,
): Promise<SharedFactors> {
  const known = SHARED.get(expected)?.deref();
  if (known !== undefined) return known;
  const layers: SharedFactors["layers"] = [];
  for (let layer = 0; layer < config.numLayers; layer++) {
    const modules: SharedFactors["layers"][number] = {};
    for (const name of LORA_MODULES) {
      const module = await readModule(weights, cluster, layer, name, config);
      if (module !== undefined) modules[name] = module;
    }
    layers.push(modules);
  }
  const hash = await sharedHash(layers);
  if (hash !== expected) {
    throw new MoloraError("checksum_mismatch", `${weights.name}: the factors of cluster ${cluster} were changed`, {
      remedy: "Compress the adapters again.",
      details: { expected, found: hash },
    });
  }
  const shared = { hash, layers };
  SHARED.set(hash, new WeakRef(shared));
  return shared;
}

async function readModule(
  weights: TensorSource,
  cluster: number,
  layer: number,
  name: LoraModuleName,
  config: ModelConfig,
): Promise<SharedModule | undefined> {
  const [u, v] = ["u", "v"].map((part) => tensorName("clusters", cluster, layer, name, part));
  const rank = weights.tensors.get(u)?.shape[1];
  if (rank === undefined) return undefined;
  const [out, inp] = moduleShape(config, name);
  return { rank, u: await readTensor(weights, u, [out, rank]), v: await readTensor(weights, v, [rank, inp]) };
}

async function readCores(
  weights: TensorSource,
  index: number,
  { layers }: SharedFactors,
  kind: CompressedSet["core"],
): Promise<CompressedAdapter["compressed"]["cores"]> {
  return Promise.all(
    layers.map(async (modules, layer) => {
      const cores: CompressedAdapter["compressed"]["cores"][number] = {};
      for (const [name, { rank }] of Object.entries(modules)) {
        const tensor = tensorName("adapters", index, layer, name, "core");
        if (!weights.tensors.has(tensor)) continue;
        cores[name as LoraModuleName] = await readTensor(weights, tensor, kind === "full" ? [rank, rank] : [rank]);
      }
      return cores;
    }),
  );
}

async function readTensor(weights: TensorSource, name: string, shape: number[]): Promise<Float32Array> {
  const tensor = weights.tensors.get(name);
  if (tensor === undefined) throw new MoloraError("tensor_missing", `${weights.name}: tensor ${name} is missing`);
  if (tensor.shape.join() === shape.join()) return readFloats(tensor);
  const shapes = `[${tensor.shape.join(", ")}], expected [${shape.join(", ")}]`;
  throw new MoloraError("tensor_shape", `${weights.name}: tensor ${name} is ${shapes}`);
}

function bytesOf(floats: Float32Array): Uint8Array {
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
}
