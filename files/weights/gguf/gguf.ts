// A GGUF file as a model's tensors under their Hugging Face names and in the Hugging Face row order.

import { MoloraError } from "../../../proto/errors.ts";
import type { Family } from "../../families/family.ts";
import { LLAMA } from "../../families/llama.ts";
import { familyOfGguf } from "../../families/registry.ts";
import { hfName } from "../../families/tensor_names.ts";
import { shown } from "../../shown.ts";
import type { ByteSource } from "../../source.ts";
import { FileTensor } from "../file_tensor.ts";
import type { StoredTensor, TensorSource } from "../tensor.ts";
import type { GgufValue } from "./gguf_header.ts";
import { deinterleaved } from "./rope_rows.ts";
import { type OpenBeside, openParts } from "./split.ts";

export type { GgufValue } from "./gguf_header.ts";

export interface GgufFile {
  metadata: ReadonlyMap<string, GgufValue>;
  tensors: TensorSource;
}

/**
 * Opens a GGUF file and, where it is a part of one, the parts beside it; `open` finds them where `source` cannot itself.
 * Tensors' bytes are read when asked for. Tensors of the family that `general.architecture` names
 * get their Hugging Face names, and q and k rows that the family stores interleaved are read in Hugging Face order;
 * others keep their GGUF names. Types that are not read are listed in `unsupported` by ggml's name.
 *
 * @throws MoloraError what `openParts` throws, and `header_invalid` where the head size that undoing the row order
 * needs is not there
 */
export async function readGguf(source: ByteSource, open: OpenBeside | undefined = source.beside): Promise<GgufFile> {
  const parts = await openParts(source, open);
  const [
    {
      header: { metadata },
    },
  ] = parts;
  const architecture = metadata.get("general.architecture");
  const known = typeof architecture === "string" ? familyOfGguf(architecture) : undefined;
  // files/model_files/gguf_config.ts refuses an unknown architecture by its name. Until then Llama's names serve, which most have.
  const family = known ?? LLAMA;
  const tensors = new Map<string, StoredTensor>();
  const unsupported = new Map<string, string>();
  for (const { source, info } of parts.flatMap(({ source, header }) =>
    header.tensors.map((info) => ({ source, info })),
  )) {
    const name = hfName(family, info.name) ?? info.name;
    if (tensors.has(name) || unsupported.has(name)) {
      throw invalid(source.name, `tensor ${info.name} and another both stand for ${name}`);
    }
    const { type, shape, begin, end } = info;
    if (!type.stored) {
      unsupported.set(name, type.name);
      continue;
    }
    const tensor = new FileTensor(source, { name, type: type.stored, shape, offset: begin, bytes: end - begin });
    const interleaved = known?.gguf.interleavedRope && isRotated(known, info.name);
    tensors.set(name, interleaved ? deinterleaved(tensor, headDimOf(source.name, known, metadata)) : tensor);
  }
  return { metadata, tensors: { name: source.name, tensors, unsupported } };
}

/** Whether a tensor of a layer is its q or k weight or their bias, by its GGUF name. */
function isRotated({ tensors: { modules } }: Family, ggufName: string): boolean {
  return [modules.q_proj, modules.k_proj].some(({ gguf }) =>
    [".weight", ".bias"].some((part) => ggufName.endsWith(`.${gguf}${part}`)),
  );
}

/** Size of an attention head: `attention.key_length`, else embedding length / heads. */
function headDimOf(file: string, { gguf }: Family, metadata: ReadonlyMap<string, GgufValue>): number {
  const width = metadata.get(`${gguf.architecture}.embedding_length`);
  const heads = metadata.get(`${gguf.architecture}.attention.head_count`);
  const stated = metadata.get(`${gguf.architecture}.attention.key_length`);
  const headDim = stated ?? (typeof width === "number" && typeof heads === "number" ? width / heads : undefined);
  if (typeof headDim !== "number" || !Number.isInteger(headDim) || headDim < 2 || headDim % 2 !== 0) {
    throw invalid(
      file,
      `no usable head size (embedding length ${shown(width)}, heads ${shown(heads)}, key length ${shown(stated)})`,
    );
  }
  return headDim;
}

function invalid(file: string, reason: string): MoloraError {
  return new MoloraError("header_invalid", `${file}: ${reason}`, {
    remedy: "Convert the model to GGUF again, with llama.cpp's convert_hf_to_gguf.py.",
  });
}
