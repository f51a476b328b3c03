// What an adapter's files say of the base it was made for: which one, and held in which precision.

import { Fields } from "../files/fields.ts";
import { MAX_CONFIG_BYTES } from "../files/lora/adapter_files.ts";
import type { ByteSource, SourceFolder } from "../files/source.ts";
import { MoloraError } from "../proto/errors.ts";

export interface Provenance {
  /** The adapter's. */
  name: string;
  /** base_model_name_or_path; undefined where nothing says. */
  baseModel: string | undefined;
  /** "nf4", "q4_0", "gptq", …: where it was trained on a quantised base (QLoRA), as far as the files tell. */
  trainedOn: string | undefined;
}

/** How names of quantised copies end, and what of a precision they tell. */
const QUANTISED: readonly (readonly [RegExp, string])[] = [
  [/[-_.](unsloth-)?bnb-4bit$|[-_.]nf4$|[-_.]4bit$/i, "nf4"],
  [/[-_.](bnb-)?8bit$|[-_.]int8$/i, "int8"],
  [/[-_.](gptq)(-int\d)?$/i, "gptq"],
  [/[-_.](awq)(-int\d)?$/i, "awq"],
  [/[-_.](q\d_[01k](_[sml])?)(\.gguf)?$/i, ""],
];

/**
 * Reads adapter_config.json, and training.json where molora trained it.
 *
 * @throws MoloraError `config_invalid` for files that are no JSON
 */
export async function readProvenance(name: string, from: ByteSource | SourceFolder): Promise<Provenance> {
  if ("read" in from) return { name, baseModel: undefined, trainedOn: undefined };
  const config = await readJson(from, "adapter_config.json");
  const training = await readJson(from, "training.json");
  const baseModel = config?.has("base_model_name_or_path") ? config.string("base_model_name_or_path") : undefined;
  const settings = training?.has("settings") ? training.object("settings") : undefined;
  const dtype = settings?.has("dtype") ? settings.string("dtype") : undefined;
  const quantised = dtype !== undefined && /^q\d/.test(dtype) ? dtype : undefined;
  return { name, baseModel, trainedOn: quantised ?? precisionIn(baseModel ?? "") };
}

async function readJson(folder: SourceFolder, file: string): Promise<Fields | undefined> {
  const source = await folder.open(file);
  return source && Fields.read(source, MAX_CONFIG_BYTES, "config_invalid");
}

function precisionIn(baseModel: string): string | undefined {
  for (const [pattern, precision] of QUANTISED) {
    const found = pattern.exec(baseModel);
    if (found !== null) return precision === "" ? found[1].toLowerCase() : precision;
  }
  return undefined;
}

/** @throws MoloraError `adapter_mismatch` where adapters name different bases; copies in other precisions are one base */
export function refuseOtherBases(adapters: readonly Provenance[]): void {
  const named = adapters.flatMap(({ name, baseModel }) => (baseModel === undefined ? [] : [{ name, baseModel }]));
  const bases = new Set(named.map(({ baseModel }) => bareName(baseModel)));
  if (bases.size <= 1) return;
  const said = named.map(({ name, baseModel }) => `${name} for "${baseModel}"`).join(", ");
  throw new MoloraError("adapter_mismatch", `the adapters were made for different bases: ${said}`, {
    remedy: "Merge adapters of one base. If only the names differ, say so with --any-base.",
    details: { bases: Object.fromEntries(named.map(({ name, baseModel }) => [name, baseModel])) },
  });
}

function bareName(baseModel: string): string {
  const last =
    baseModel
      .replace(/[/\\]+$/, "")
      .split(/[/\\]/)
      .at(-1) ?? baseModel;
  return QUANTISED.reduce((name, [pattern]) => name.replace(pattern, ""), last).toLowerCase();
}
