// `make-router --type keys`: reads texts of each expert and makes the keys on a device, or takes experts out again.

import type { DeviceOptions } from "../../engine/host.ts";
import { loadTokenizer } from "../../engine/text/tokenizer.ts";
import { BASE_NAME } from "../../files/lora/names.ts";
import type { ModelFiles } from "../../files/model_files/model_files.ts";
import type { WeightDtype } from "../../files/weights/stored/device_format.ts";
import { nodeHost } from "../../node/host.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { KeyLayer, Router } from "../../router/mixture.ts";
import { Composer } from "../../training/data/compose.ts";
import { FrozenModel } from "../../training/frozen/frozen_model.ts";
import { type KeyReport, type KeyTexts, makeKeys } from "../../training/router/make_keys.ts";
import type { Output } from "../terminal/output.ts";
import { Progress } from "../terminal/progress.ts";
import { readSources } from "./labelled_data.ts";

export type KeyedRouter = Router & { type: "keys" };

export interface KeyRouterOptions {
  /** Names in the order of the mixture, the extended one's first. */
  experts: readonly string[];
  extended: KeyedRouter | undefined;
  default: number;
  rule: { topK: number; gate: "unit" | "softmax"; temperature: number };
  memory: number;
  threshold: { recall: number } | number;
  data: readonly string[];
  /** Most texts of an expert, and tokens of a text. */
  texts: number;
  length: number;
  seed: number;
  dtype: WeightDtype;
  on: DeviceOptions;
}

/** @throws MoloraError `bad_arguments` for an expert without texts, and as reading the data does. */
export async function makeKeyRouter(
  files: ModelFiles,
  options: KeyRouterOptions,
  output: Output,
): Promise<{ router: KeyedRouter; reports: KeyReport[] }> {
  const { experts, extended, data, length, memory, threshold } = options;
  const first = extended?.layers[0].thresholds.length ?? 0;
  const fresh = experts.slice(first).filter((name) => name !== BASE_NAME);
  const made = { type: "keys", default: options.default, ...options.rule } as const;
  if (fresh.length === 0 && extended !== undefined) {
    return { router: { ...made, memory: extended.memory, layers: extended.layers }, reports: [] };
  }
  const sources = await readSources(data, { domains: [...fresh, BASE_NAME], onBadRow: "fail" }, output);
  const missing = fresh.find((name) => !sources.byDomain.has(name));
  if (missing !== undefined) {
    throw new MoloraError("bad_arguments", `--data has no row of "${missing}"`, {
      remedy: `A key is made from texts: --data ${missing}=FILE.jsonl.`,
    });
  }
  if (sources.whole.length > 0) output.note(`left out: ${sources.whole.length} rows of several domains`);
  const tokenizer = loadTokenizer(files.tokenizerFiles);
  const given = [...sources.byDomain].map(([domain, items]): KeyTexts => {
    const own = { byDomain: new Map([[domain, items]]), whole: [] };
    const composer = new Composer(tokenizer, own, { length, mix: [1, 1], seed: options.seed });
    const texts = Array.from({ length: Math.min(options.texts, items.length) }, (_, n) => composer.text(n).ids);
    return { expert: domain === BASE_NAME ? undefined : experts.indexOf(domain), texts };
  });
  const progress = new Progress("making keys", (texts) => `${Math.round(texts)} texts`, output.streams.stderr);
  const model = await FrozenModel.open(nodeHost(), {
    files,
    dtype: options.dtype,
    ...options.on,
    adapters: [],
    mixtures: [],
    length,
    texts: 4,
    scored: false,
  });
  try {
    const kept = extended?.memory ?? memory;
    const { layers, reports } = await makeKeys(model, given, {
      experts: experts.length,
      memory: kept,
      threshold,
      ...(extended && { extended: extended.layers }),
      onProgress: (done, total) => progress.update(done, total),
    });
    return { router: { ...made, memory: kept, layers }, reports };
  } finally {
    progress.finish();
    await model.close();
  }
}

/** The layers without the experts that are not `kept`; what stays is the same, bit for bit. */
export function withoutExperts(layers: readonly KeyLayer[], kept: readonly number[]): KeyLayer[] {
  return layers.map(({ keys, center, thresholds }) => {
    const left = new Float32Array(kept.length * center.length);
    for (const [to, e] of kept.entries()) {
      left.set(keys.subarray(e * center.length, (e + 1) * center.length), to * center.length);
    }
    return { keys: left, center, thresholds: Float32Array.from(kept, (e) => thresholds[e]) };
  });
}
