// `--after`: the adapters that a new one may grow out of, and which of them it does. Adapters that came out of each other are a tree,
// whose branches training.json tells.

import { join } from "node:path";
import type { DeviceOptions } from "../../engine/host.ts";
import { Fields } from "../../files/fields.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import type { ModelFiles } from "../../files/model_files/model_files.ts";
import type { WeightDtype } from "../../files/weights/stored/device_format.ts";
import { FileSource } from "../../node/files.ts";
import { nodeHost } from "../../node/host.ts";
import { MoloraError } from "../../proto/errors.ts";
import { FrozenModel } from "../../training/frozen/frozen_model.ts";
import { loadAdapterFolder } from "../../training/frozen/load.ts";
import { TextScorer } from "../../training/frozen/score.ts";
import { IMPORTANCE_FILE, type Importance, readImportance } from "../../training/importance.ts";
import { countedTokens, type TrainingText } from "../../training/training_texts.ts";
import { kebab } from "../flags/arguments.ts";

/** A node of the tree. */
export interface Ancestor {
  path: string;
  hash: string;
}

export interface Previous {
  path: string;
  adapter: Adapter;
  /** What mattered to it and to those it came out of; undefined where its folder does not say. */
  importance: Importance | undefined;
  /** What it came out of, the nearest first. */
  ancestors: Ancestor[];
}

const SHAPE = ["rank", "alpha", "targetModules", "layers"] as const;

/** Rows of the new task that the candidates are compared on. */
const COMPARED = 32;

/** @throws MoloraError as loading an adapter, `data_invalid` for a training.json or importance that is none */
export async function openPrevious(path: string, { config }: ModelFiles): Promise<Previous> {
  const adapter = await loadAdapterFolder(nodeHost(), "previous", path, config);
  const log = await FileSource.open(join(path, "training.json"));
  const fields = log && (await Fields.read(log, 64 << 20, "data_invalid"));
  const ancestors = (fields?.has("after") ? fields.objects("after") : []).map((one) => ({
    path: one.string("path"),
    hash: one.string("hash"),
  }));
  const file = await FileSource.open(join(path, IMPORTANCE_FILE));
  return { path, adapter, importance: file && (await readImportance(file)), ancestors };
}

export interface Compared {
  /** Undefined: the base. */
  path: string | undefined;
  /** Nats a token that counts, on the first rows. */
  loss: number;
}

/** The loss of the base and of each candidate on the first rows of a task. */
export async function comparePrevious(
  previous: readonly Previous[],
  texts: readonly TrainingText[],
  { files, dtype, length, device }: { files: ModelFiles; dtype: WeightDtype; length: number; device: DeviceOptions },
): Promise<Compared[]> {
  const some = texts.slice(0, COMPARED);
  // One adapter under two paths is one generation.
  const adapters = previous.map(({ adapter }, i) => ({
    ...adapter,
    name: `previous-${i}`,
    hash: `${adapter.hash} ${i}`,
  }));
  const options = { files, dtype, mixtures: [], length, texts: 4, scored: true, ...device } as const;
  const model = await FrozenModel.open(nodeHost(), { ...options, adapters });
  try {
    const scorer = new TextScorer(model);
    const ids = some.map((text) => text.ids);
    const lossOf = async (key: string | undefined) => {
      const plan = key === undefined ? ({ kind: "none" } as const) : stackOf(key);
      const scored = await scorer.score(ids, { kind: "plan", plan });
      let sum = 0;
      for (const [i, { logprobs }] of scored.entries()) {
        for (const [t, logprob] of logprobs.entries()) if (some[i].counted[t + 1]) sum -= logprob;
      }
      return sum / countedTokens(some);
    };
    const compared: Compared[] = [{ path: undefined, loss: await lossOf(undefined) }];
    for (const [i, { path }] of previous.entries()) {
      compared.push({ path, loss: await lossOf(model.adapters[i].key) });
    }
    return compared;
  } finally {
    await model.close();
  }
}

function stackOf(key: string) {
  return { kind: "fixed", entries: [{ key, weight: 1 }] } as const;
}

/** Its shape is that of the adapter it goes on from. @throws MoloraError `bad_arguments` */
export function refuseShape(flags: Record<(typeof SHAPE)[number], unknown>): void {
  const given = SHAPE.find((name) => flags[name] !== undefined);
  if (given === undefined) return;
  throw new MoloraError(
    "bad_arguments",
    `--${kebab(given)} is given beside --after: the shape is that of the adapter before`,
    {
      remedy: "Leave it out.",
    },
  );
}
