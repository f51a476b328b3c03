// A base model's weights on the device, as the forward pass binds them.
// Tensors come from a TensorSource by the Hugging Face names of the family.

import type { ModelConfig } from "../../files/families/config.ts";
import { expertsOf } from "../../files/families/facts.ts";
import type { NormName } from "../../files/families/family.ts";
import { LORA_GROUPS, type LoraGroup, type LoraModuleName, moduleShape } from "../../files/families/modules.ts";
import { familyOf } from "../../files/families/registry.ts";
import { biasTensor, moduleTensor, normTensor } from "../../files/families/tensor_names.ts";
import { readFloats } from "../../files/weights/floats.ts";
import type { WeightDtype } from "../../files/weights/stored/device_format.ts";
import type { StoredTensor, TensorSource } from "../../files/weights/tensor.ts";
import { MoloraError } from "../../proto/errors.ts";
import { allocateFrom, type Device } from "../device/device.ts";
import type { View } from "../device/memory.ts";
import { type ExpertWeights, uploadExperts } from "./expert_weights.ts";
import { type LinearWeights, uploadLinear } from "./linear_weights.ts";

export interface LayerWeights {
  /** Of the norm before the attention; where there is none, something that is never read. */
  attentionNorm: View;
  /** Of the norm of what the attention adds to the residual. */
  afterAttention?: View;
  /** Rows of q, then k, then v. */
  qkv: LinearWeights;
  o: LinearWeights;
  /** The same for the MLP. */
  mlpNorm: View;
  afterMlp?: View;
  /** Rows of gate, then up. */
  gateUp: LinearWeights;
  down: LinearWeights;
  /** Of the norms of q, then of k. */
  qkNorm?: View;
  /** One value a row of a group's matrix; groups without a bias are absent. */
  biases: Readonly<Partial<Record<LoraGroup, View>>>;
  /** Where the MLP is a mixture of experts: `gateUp` and `down` are empty then. */
  experts?: ExpertWeights;
}

export interface ModelWeights {
  embedding: LinearWeights;
  layers: LayerWeights[];
  finalNorm: View;
  /** The output head; the embedding itself where they are tied. */
  head: LinearWeights;
}

const NO_MATRIX: LinearWeights = { rows: 0, cols: 0, shards: [] };

export interface UploadOptions {
  dtype: WeightDtype;
  /** Called with bytes read so far and in all. */
  onProgress?: (done: number, total: number) => void;
}

/** Reads every tensor once, in positioned chunks, straight into device buffers. */
export async function uploadWeights(
  device: Device,
  config: ModelConfig,
  source: TensorSource,
  { dtype, onProgress }: UploadOptions,
): Promise<ModelWeights> {
  const total = [...source.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  const onBytes = (bytes: number) => {
    done += bytes;
    onProgress?.(done, total);
  };
  const tensor = (name: string): StoredTensor => {
    const found = source.tensors.get(name);
    if (found === undefined) throw new MoloraError("tensor_missing", `${source.name} has no tensor ${name}`);
    return found;
  };
  const linear = (...names: string[]) => uploadLinear(device, names.map(tensor), dtype, { onBytes });
  /** In one format, as experts' matrices need it. */
  const upload = (names: readonly string[], as = dtype) =>
    uploadLinear(device, names.map(tensor), as, { onBytes, together: true });
  const values = async (name: string) => {
    const stored = tensor(name);
    const read = await readFloats(stored);
    onBytes(stored.bytes);
    return read;
  };
  const vector = async (name: string) => allocateFrom(device, name, concatenated([await values(name)]));

  const family = familyOf(config);
  const group = (layer: number, name: LoraGroup) =>
    linear(...LORA_GROUPS[name].map((module) => moduleTensor(family, layer, module)));
  const joined = async (label: string, parts: Promise<Float32Array>[]) =>
    allocateFrom(device, label, concatenated(await Promise.all(parts)));
  const norms = async (layer: number) => {
    const has = (name: NormName) => family.tensors.norms[name] !== undefined;
    const norm = (name: NormName) => vector(normTensor(family, layer, name));
    const after = {
      ...(has("afterAttention") && { afterAttention: await norm("afterAttention") }),
      ...(has("afterMlp") && { afterMlp: await norm("afterMlp") }),
    };
    const qk = (["query", "key"] as const).filter(has).map((name) => values(normTensor(family, layer, name)));
    return {
      ...after,
      attentionNorm: has("attention") ? await norm("attention") : after.afterAttention!,
      mlpNorm: has("mlp") ? await norm("mlp") : after.afterMlp!,
      ...(qk.length > 0 && { qkNorm: await joined(`norms of q and k, ${layer}`, qk) }),
    };
  };
  /** Modules of a group without a bias get zeros where another has one. */
  const biases = async (layer: number) => {
    const found: Partial<Record<LoraGroup, View>> = {};
    const has = (module: LoraModuleName) => config.biases?.includes(module) === true;
    for (const [name, modules] of Object.entries(LORA_GROUPS) as [LoraGroup, readonly LoraModuleName[]][]) {
      if (!modules.some(has)) continue;
      const none = async (module: LoraModuleName) => new Float32Array(moduleShape(config, module)[0]);
      const parts = modules.map((one) => (has(one) ? values(biasTensor(family, layer, one)) : none(one)));
      found[name] = await joined(`bias of ${name}, ${layer}`, parts);
    }
    return found;
  };
  const embedding = await linear(family.tensors.embedding.hf);
  const layers: LayerWeights[] = [];
  for (let i = 0; i < config.numLayers; i++) {
    layers.push({
      ...(await norms(i)),
      biases: await biases(i),
      qkv: await group(i, "qkv"),
      o: await group(i, "o"),
      ...(expertsOf(config, i) === undefined
        ? { gateUp: await group(i, "gateUp"), down: await group(i, "down") }
        : { gateUp: NO_MATRIX, down: NO_MATRIX, experts: await uploadExperts(device, config, i, upload) }),
    });
  }
  const finalNorm = await vector(family.tensors.finalNorm.hf);
  const head = config.tieEmbeddings ? embedding : await linear(family.tensors.head.hf);
  return { embedding, layers, finalNorm, head };
}

function concatenated(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
