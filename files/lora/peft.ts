// A PEFT folder: adapter_config.json and adapter_model.safetensors.

import { MoloraError } from "../../proto/errors.ts";
import { Fields } from "../fields.ts";
import { type ByteSource, MemorySource, type SourceFolder } from "../source.ts";
import { readSafetensors } from "../weights/safetensors/safetensors.ts";
import { type AdapterFiles, MAX_CONFIG_BYTES, openFile, readWhole } from "./adapter_files.ts";
import { parsePeftConfig, rankAndScale } from "./peft_config.ts";
import { isTargeted } from "./targets.ts";

export const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";
const PICKLED_WEIGHTS = "adapter_model.bin";
const REMEDY = `An adapter is a PEFT folder with ${CONFIG} and ${WEIGHTS}.`;

/** @throws MoloraError `file_not_found`, `config_invalid`, `adapter_unsupported`, and what `readSafetensors` throws */
export async function readPeftFolder(folder: SourceFolder): Promise<AdapterFiles> {
  const configBytes = await readWhole(await openFile(folder, CONFIG, REMEDY), MAX_CONFIG_BYTES);
  const fields = await Fields.read(
    new MemorySource(`${folder.name}/${CONFIG}`, configBytes),
    MAX_CONFIG_BYTES,
    "config_invalid",
  );
  const peft = parsePeftConfig(fields);
  const weightBytes = await readWhole(await openWeights(folder));
  return {
    claims: {
      baseModel: peft.baseModel,
      isTargeted: (path) => isTargeted(peft.targets, path),
      rankAndScale: (path) => rankAndScale(peft, path),
      extras: peft.extras,
      invocation: peft.invocation,
      parameters: peft.parameters,
      saved: peft.saved,
      tokenRows: peft.tokenRows,
      transposed: peft.fanInFanOut ? "where shapes say so" : "never",
    },
    weights: await readSafetensors(new MemorySource(`${folder.name}/${WEIGHTS}`, weightBytes)),
    bytes: [configBytes, weightBytes],
  };
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
  return source ?? openFile(folder, WEIGHTS, REMEDY);
}
