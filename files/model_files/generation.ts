// How a model's makers sample from it: generation_config.json, or what a GGUF says under `general.sampling`.

import type { SamplingOptions } from "../../proto/api.ts";
import type { GgufValue } from "../weights/gguf/gguf.ts";
import { configInvalid } from "./check_config.ts";

/** What holds where a request does not say otherwise. Empty: the files say nothing, or greedy. */
export type GenerationDefaults = Pick<SamplingOptions, "temperature" | "topK" | "topP" | "minP" | "repetitionPenalty">;

interface Field {
  name: keyof GenerationDefaults;
  hf: string;
  gguf: string;
  /** Least and most that makes sense; `whole`: no fractions. */
  range: readonly [least: number, most: number];
  whole?: true;
}

const FIELDS: readonly Field[] = [
  { name: "temperature", hf: "temperature", gguf: "temp", range: [0, 100] },
  { name: "topK", hf: "top_k", gguf: "top_k", range: [0, 2 ** 31], whole: true },
  { name: "topP", hf: "top_p", gguf: "top_p", range: [0, 1] },
  { name: "minP", hf: "min_p", gguf: "min_p", range: [0, 1] },
  { name: "repetitionPenalty", hf: "repetition_penalty", gguf: "penalty_repeat", range: [1e-3, 100] },
];

const FILE = "generation_config.json";

/**
 * transformers samples where `do_sample` is true; else, what is said of sampling is left over from another setting, and
 * only the penalty counts.
 *
 * @throws MoloraError `config_invalid` for a value that is no number in its range
 */
export function hfGenerationDefaults(json: Record<string, unknown> | undefined): GenerationDefaults {
  if (json === undefined) return {};
  const samples = json.do_sample === true;
  const stated = read(FILE, (field) => json[field.hf]);
  if (samples) return { temperature: 1, ...stated };
  return stated.repetitionPenalty === undefined ? {} : { repetitionPenalty: stated.repetitionPenalty };
}

/** @throws MoloraError `config_invalid` */
export function ggufGenerationDefaults(file: string, metadata: ReadonlyMap<string, GgufValue>): GenerationDefaults {
  return read(file, (field) => metadata.get(`general.sampling.${field.gguf}`));
}

function read(file: string, stated: (field: Field) => unknown): GenerationDefaults {
  const values = FIELDS.flatMap((field) => {
    const value = stated(field) ?? undefined;
    if (value === undefined) return [];
    const { name, hf, range, whole } = field;
    const fits = typeof value === "number" && value >= range[0] && value <= range[1];
    if (!fits || (whole && !Number.isInteger(value))) throw configInvalid(file, `${hf} is ${JSON.stringify(value)}`);
    // 0 of the likeliest tokens' probability would leave none: it means "off".
    return name === "topP" && value === 0 ? [] : [[name, value] as const];
  });
  return Object.fromEntries(values);
}
