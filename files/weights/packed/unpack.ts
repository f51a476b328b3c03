// Safetensors whose matrices are packed as one of the quantisation methods packs them, as a set of tensors like any other.

import { MoloraError } from "../../../proto/errors.ts";
import type { RawTensor, StoredTensor, TensorSource } from "../tensor.ts";
import { bitsandbytesMatrix } from "./bitsandbytes.ts";
import type { Companions } from "./companions.ts";
import { groupedMatrix } from "./grouped.ts";
import type { Quantization } from "./quantization.ts";

/** What the codes of a matrix are called, and what makes it out of them and their companions. */
interface Method {
  codes: RegExp;
  /** What follows a module's name in the names of codes and companions. */
  owned: RegExp;
  matrix(module: string, companions: Companions, quantization: Quantization): Promise<StoredTensor>;
}

const GROUPED: Method = {
  codes: /^(.*)\.qweight$/,
  owned: /\.(qweight|qzeros|scales|g_idx)$/,
  matrix: groupedMatrix,
};
const BITSANDBYTES: Method = {
  codes: /^(.*)\.weight\.quant_state\.bitsandbytes__(?:nf4|fp4)$/,
  owned: /\.weight(\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.bitsandbytes__(nf4|fp4)))?$/,
  matrix: bitsandbytesMatrix,
};

/**
 * `source` with `MODULE.weight` in place of each packed matrix. Matrices that are not packed stay.
 *
 * @throws MoloraError `tensor_missing` (a companion), `tensor_shape`, `unsupported_dtype`, `config_invalid` where a module
 * is packed that the config says is not
 */
export async function unpackTensors(source: TensorSource, quantization: Quantization): Promise<TensorSource> {
  const method = quantization.method === "bitsandbytes" ? BITSANDBYTES : GROUPED;
  const all = new Map<string, StoredTensor | RawTensor>([...source.tensors, ...(source.raw ?? [])]);
  const modules = [...all.keys()].flatMap((name) => method.codes.exec(name)?.[1] ?? []);
  refuseKept(source, modules, quantization);
  const tensors = new Map(source.tensors);
  const unsupported = new Map(source.unsupported);
  const raw = new Map(source.raw);
  const packed = new Set(modules);
  for (const name of all.keys()) {
    const suffix = method.owned.exec(name);
    if (suffix === null || !packed.has(name.slice(0, suffix.index))) continue;
    for (const names of [tensors, unsupported, raw]) names.delete(name);
  }
  for (const module of modules) {
    const matrix = await method.matrix(module, companionsOf(source, module), quantization);
    tensors.set(matrix.name, matrix);
  }
  return { ...source, tensors, unsupported, raw };
}

function companionsOf(source: TensorSource, module: string): Companions {
  const missing = (name: string) =>
    new MoloraError("tensor_missing", `${source.name} has no tensor ${name}, which a quantised matrix needs`, {
      remedy: "Fetch the model again, or one whose quantization_config fits its weights.",
      details: { tensor: name },
    });
  return {
    stored: (suffix) => {
      const found = source.tensors.get(module + suffix);
      if (found === undefined) throw missing(module + suffix);
      return found;
    },
    raw: (suffix, dtype) => {
      const found = source.raw?.get(module + suffix);
      if (found === undefined) throw missing(module + suffix);
      if (found.dtype === dtype) return found;
      throw new MoloraError("unsupported_dtype", `${found.name} is stored as ${found.dtype}, not as ${dtype}`, {
        remedy: "Quantise the model with a tool that packs as AutoGPTQ, AutoAWQ or bitsandbytes does.",
        details: { tensor: found.name, dtype: found.dtype },
      });
    },
    has: (suffix) => source.tensors.has(module + suffix) || source.raw?.has(module + suffix) === true,
  };
}

function refuseKept(source: TensorSource, modules: readonly string[], { kept }: Quantization): void {
  for (const name of kept) {
    const packed = modules.find((module) => `.${module}.`.includes(`.${name}.`));
    if (packed === undefined) continue;
    throw new MoloraError("config_invalid", `${source.name}: ${packed} is packed, config.json says ${name} is not`, {
      remedy: "Config and weights belong to different models: fetch both again.",
    });
  }
}
