// A GGUF file as a model's tensors under their Hugging Face names and in the Hugging Face row order.
// It knows nothing of the header's bytes (gguf_header.ts) nor of what a model needs (expected.ts).

import { MoloraError } from "../../../proto/errors.ts";
import { hfName } from "../../families/gguf_names.ts";
import { shown } from "../../shown.ts";
import type { ByteSource } from "../../source.ts";
import { FileTensor } from "../file_tensor.ts";
import type { StoredTensor, TensorSource } from "../tensor.ts";
import { type GgufValue, readGgufHeader } from "./gguf_header.ts";
import { DeinterleavedTensor } from "./rope_rows.ts";

export type { GgufValue } from "./gguf_header.ts";

export interface GgufFile {
  metadata: ReadonlyMap<string, GgufValue>;
  tensors: TensorSource;
}

/**
 * Opens a GGUF file; tensors' bytes are read when asked for. Tensors of the Llama family get their Hugging Face names,
 * and where `general.architecture` is "llama" q and k rows are read in Hugging Face order; others keep their GGUF
 * names. Types that are not read are listed in `unsupported` by ggml's name. Raises what `readGgufHeader` raises, and
 * `header_invalid` where the head size that undoing the row order needs is not there.
 */
export async function readGguf(source: ByteSource): Promise<GgufFile> {
  const { metadata, tensors: infos } = await readGgufHeader(source);
  const interleaved = metadata.get("general.architecture") === "llama";
  const tensors = new Map<string, StoredTensor>();
  const unsupported = new Map<string, string>();
  for (const info of infos) {
    const name = hfName(info.name) ?? info.name;
    if (tensors.has(name) || unsupported.has(name)) {
      throw invalid(source.name, `tensor ${info.name} and another both stand for ${name}`);
    }
    const { type, shape, begin, end } = info;
    if (!type.stored) {
      unsupported.set(name, type.name);
      continue;
    }
    const tensor = new FileTensor(source, { name, type: type.stored, shape, offset: begin, bytes: end - begin });
    const rotated = interleaved && /\.self_attn\.[qk]_proj\.weight$/.test(name);
    tensors.set(name, rotated ? new DeinterleavedTensor(tensor, llamaHeadDim(source.name, metadata)) : tensor);
  }
  return { metadata, tensors: { name: source.name, tensors, unsupported } };
}

/** Size of an attention head: `llama.attention.key_length`, else embedding length / heads. Raises `header_invalid`. */
export function llamaHeadDim(file: string, metadata: ReadonlyMap<string, GgufValue>): number {
  const width = metadata.get("llama.embedding_length");
  const heads = metadata.get("llama.attention.head_count");
  const stated = metadata.get("llama.attention.key_length");
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
