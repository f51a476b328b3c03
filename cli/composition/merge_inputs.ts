// What a merge works on: the base's files, the adapters, and what these say of where they come from.

import type { Provenance } from "../../composition/provenance.ts";
import { readProvenance, refuseOtherBases } from "../../composition/provenance.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { loadAdapter } from "../../files/lora/load.ts";
import { BASE_NAME, checkName } from "../../files/lora/names.ts";
import type { ModelFiles } from "../../files/model_files/model_files.ts";
import { openPath } from "../../node/files.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { WeightedPath } from "../flags/weighted_adapters.ts";
import { openBase } from "../open_base.ts";
import type { Output } from "../terminal/output.ts";

export interface MergeInputs {
  files: ModelFiles;
  /** Where the base lies: a folder or a file. */
  basePath: string;
  adapters: Adapter[];
  weights: number[];
  provenances: Provenance[];
}

export interface InputFlags {
  model: string | undefined;
  adapter: readonly WeightedPath[];
  trainedOn: readonly string[];
  anyBase: boolean;
}

/** @throws MoloraError `bad_arguments`, `adapter_mismatch` for other bases, and what opening either throws */
export async function openInputs(flags: InputFlags, output: Output): Promise<MergeInputs> {
  const model = flags.model ?? "nano";
  const { files, preset } = await openBase(model, output);
  const brought = flags.adapter.length === 0 ? Object.entries(preset?.adapters ?? {}) : [];
  const given = [...flags.adapter, ...brought.map(([name, path]) => ({ name, path, weight: undefined }))];
  if (given.length === 0) {
    throw new MoloraError("bad_arguments", "--adapter is missing", {
      remedy: "Give adapters: --adapter a=PATH:WEIGHT.",
    });
  }
  const trainedOn = readTrainedOn(flags.trainedOn, given);
  const adapters: Adapter[] = [];
  const provenances: Provenance[] = [];
  for (const { name, path } of given) {
    checkName("an adapter", name, "bad_arguments");
    if (name === BASE_NAME) throw new MoloraError("bad_arguments", `"${BASE_NAME}" always means the base model`);
    const from = await openPath(path);
    adapters.push(await loadAdapter(name, from, files.config));
    const provenance = await readProvenance(name, from);
    provenances.push({ ...provenance, trainedOn: trainedOn.get(name) ?? provenance.trainedOn });
  }
  if (!flags.anyBase) refuseOtherBases(provenances);
  const weights = given.map(({ weight }) => weight ?? 1);
  return { files, basePath: preset?.model ?? model, adapters, weights, provenances };
}

function readTrainedOn(specs: readonly string[], given: readonly WeightedPath[]): Map<string, string> {
  return new Map(
    specs.map((spec) => {
      const [name, precision, ...more] = spec.split("=");
      if (precision && more.length === 0 && given.some((adapter) => adapter.name === name)) return [name, precision];
      throw new MoloraError("bad_arguments", `--trained-on ${spec} is not name=PRECISION of an adapter given`, {
        remedy: "Write --trained-on a=nf4, for an adapter of --adapter a=PATH.",
      });
    }),
  );
}
