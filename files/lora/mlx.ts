// An adapter of mlx-lm: adapters.safetensors with the adapter_config.json of its own training command.

import { Fields } from "../fields.ts";
import { MemorySource, type SourceFolder } from "../source.ts";
import { readSafetensors } from "../weights/safetensors/safetensors.ts";
import { type AdapterFiles, MAX_CONFIG_BYTES, openFile, readWhole } from "./adapter_files.ts";
import { refuse } from "./refusals.ts";

const CONFIG = "adapter_config.json";
export const MLX_WEIGHTS = "adapters.safetensors";
const REMEDY = `An adapter of mlx-lm is a folder with ${CONFIG} and ${MLX_WEIGHTS}.`;

/**
 * mlx-lm computes scale · (x A) B with A [in, rank] and B [rank, out] (tuner/lora.py); its configuration states scale and
 * rank, and not every module by name, so that the modules are those that have tensors.
 *
 * @throws MoloraError `file_not_found`, `config_invalid`, `adapter_unsupported`, and what `readSafetensors` throws
 */
export async function readMlxFolder(folder: SourceFolder): Promise<AdapterFiles> {
  const configBytes = await readWhole(await openFile(folder, CONFIG, REMEDY), MAX_CONFIG_BYTES);
  const source = new MemorySource(`${folder.name}/${CONFIG}`, configBytes);
  const fields = await Fields.read(source, MAX_CONFIG_BYTES, "config_invalid");
  const type = fields.has("fine_tune_type") ? fields.string("fine_tune_type") : "lora";
  // A DoRA's magnitudes stand among its tensors.
  if (type !== "lora" && type !== "dora") refuse(`mlx-lm's fine_tune_type ${type}`);
  const parameters = fields.object("lora_parameters");
  // Early versions multiplied by alpha / rank as well, later ones ignore alpha: the file does not say which wrote it.
  if (parameters.has("alpha")) refuse("mlx-lm's alpha beside its scale");
  const rank = parameters.integer("rank", 1, 4096);
  const scale = parameters.number("scale");
  const weightBytes = await readWhole(await openFile(folder, MLX_WEIGHTS, REMEDY));
  return {
    claims: {
      baseModel: fields.has("model") ? fields.string("model") : undefined,
      rankAndScale: () => ({ rank, scale }),
      transposed: "always",
      extras: { magnitude: type === "dora", bias: false },
    },
    weights: await readSafetensors(new MemorySource(`${folder.name}/${MLX_WEIGHTS}`, weightBytes)),
    bytes: [configBytes, weightBytes],
  };
}
