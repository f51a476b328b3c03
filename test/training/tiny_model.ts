// The tiny fixture model on the device, ready to be trained, and PyTorch's numbers for it.

import { readFileSync } from "node:fs";
import type { Device } from "../../engine/device/device.ts";
import { type ModelWeights, uploadWeights } from "../../engine/model/weights.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { loadAdapter } from "../../files/lora/load.ts";
import { openModelFiles } from "../../files/model_files/model_files.ts";
import type { WeightDtype } from "../../files/weights/stored/device_format.ts";
import { DirectoryFolder } from "../../node/files.ts";
import { readMixture } from "../../router/format.ts";
import type { Mixture } from "../../router/mixture.ts";
import type { TrainingSequence } from "../../training/backward/batch.ts";

const TINY = "test/fixtures/tiny";

export interface TinyModel {
  config: ModelConfig;
  weights: ModelWeights;
}

export async function tinyModel(device: Device, dtype: WeightDtype = "f32"): Promise<TinyModel> {
  const { config, tensors } = await openModelFiles(new DirectoryFolder(`${TINY}/base`));
  return { config, weights: await uploadWeights(device, config, tensors, { dtype }) };
}

export function tinyAdapter(name: string, config: ModelConfig): Promise<Adapter> {
  return loadAdapter(name, new DirectoryFolder(`${TINY}/adapters/${name}`), config);
}

/** A mixture and its experts' adapters. */
export async function tinyMixture(
  name: string,
  config: ModelConfig,
): Promise<{ mixture: Mixture; adapters: (Adapter | undefined)[] }> {
  const mixture = await readMixture(name, new DirectoryFolder(`${TINY}/mixtures/${name}`), config);
  const adapters = mixture.experts.map(({ adapter }) =>
    adapter === undefined ? undefined : tinyAdapter(adapter.split("/").at(-1)!, config),
  );
  return { mixture, adapters: await Promise.all(adapters) };
}

/** Norm of a gradient and some of its entries, as train_adapter.py writes them. */
export interface Sample {
  norm: number;
  at: number[];
  values: number[];
}

export interface GradientFixture {
  texts: TrainingSequence[];
  adapters: { adapter: string; loss: number; gradients: Record<string, Sample> }[];
  mixtures: { mixture: string; loss: number; gradients: Record<string, Sample> }[];
}

export interface StepsFixture {
  rate: number;
  steps: number;
  warmup: number;
  clip: number;
  decay: number;
  rank: number;
  alpha: number;
  batches: TrainingSequence[][];
  /** "layer.module" → A at the start; B is zero. */
  a: Record<string, number[]>;
  losses: number[];
  norms: number[];
  /** "layer.module.half" → the trained factor. */
  end: Record<string, Sample>;
}

export function readTraining<T>(name: string): T {
  return JSON.parse(readFileSync(`test/fixtures/training/${name}.json`, "utf8")) as T;
}
