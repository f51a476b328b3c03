// A base with a merge built in, as the bytes of a weights file: safetensors, or the GGUF it came from.
// Every matrix is merged when its turn to be written comes: one is in memory at a time.

import type { ModelConfig } from "../../files/families/config.ts";
import { familyOf } from "../../files/families/registry.ts";
import { hfName } from "../../files/families/tensor_names.ts";
import type { ByteSource } from "../../files/source.ts";
import { readGguf } from "../../files/weights/gguf/gguf.ts";
import type { GgufHeader, GgufTensorInfo } from "../../files/weights/gguf/gguf_header.ts";
import { GGUF_ALIGNMENT, ggufHeader, storedBytes, type TypedValue } from "../../files/weights/gguf/gguf_write.ts";
import { interleavedRow } from "../../files/weights/gguf/rope_rows.ts";
import { openParts } from "../../files/weights/gguf/split.ts";
import { safetensorsHeader } from "../../files/weights/safetensors/safetensors_write.ts";
import { STORED } from "../../files/weights/stored/formats.ts";
import type { TensorSource } from "../../files/weights/tensor.ts";
import { MoloraError } from "../../proto/errors.ts";
import { mergedDelta } from "../merge/job.ts";
import type { MergePlan } from "../merge/merge.ts";
import { wholeOf } from "../merge/place.ts";
import { encoded, type MergedType, type Rounding, unchanged, type WrittenPiece } from "./merged_tensor.ts";

export interface MergedBase {
  /** Tensors in all, of which the first piece, the header, is none. */
  tensors: number;
  /** The file, piece after piece: its header, then one piece a tensor. */
  pieces: AsyncIterable<Uint8Array>;
  /** Filled in while pieces are read. */
  rounding: Rounding;
}

/**
 * model.safetensors. Tensors that nothing is added to keep their bits where safetensors has their type; merged ones are
 * stored as they were (`type` undefined), or in f32 where that was a quantised type.
 *
 * @param tensors under Hugging Face's own names, fused ones whole
 * @throws MoloraError `tensor_missing` where a place has no weight, `unsupported_dtype`
 */
export function mergedSafetensors(plan: MergePlan, tensors: TensorSource, type: MergedType | undefined): MergedBase {
  if (type === "q8_0") {
    throw new MoloraError("unsupported_dtype", "safetensors do not hold q8_0", { remedy: "Write a GGUF for that." });
  }
  refuseUnread(tensors);
  const deltas = deltasOf(plan);
  const rounding = { lost: 0, added: 0 };
  const plain = (stored: string) => (stored === "f16" || stored === "bf16" ? stored : "f32");
  const pieces = [...tensors.tensors.values()].map((tensor) => {
    const delta = deltas.take(tensor.name);
    const keeps = STORED[tensor.type].safetensors !== undefined;
    if (delta === undefined && keeps) return unchanged(tensor);
    return encoded(tensor, type ?? plain(tensor.type), { delta, rounding });
  });
  deltas.refuseLeft(tensors.name);
  // Wider types first, so that every tensor is aligned to its element.
  pieces.sort((x, y) => STORED[y.type].bytes - STORED[x.type].bytes);
  const entries = new Map<string, unknown>([["__metadata__", { format: "pt" }]]);
  let end = 0;
  for (const { name, type, shape } of pieces) {
    const begin = end;
    end += storedBytes(type, shape);
    entries.set(name, { dtype: STORED[type].safetensors, shape, data_offsets: [begin, end] });
  }
  return { tensors: pieces.length, pieces: inOrder(safetensorsHeader(entries), pieces, 1), rounding };
}

/** general.file_type: what most of a file is in (enum llama_ftype of llama.h). */
const FILE_TYPES: Partial<Record<MergedType, number>> = { f32: 0, f16: 1, q8_0: 7 };

/**
 * The GGUF that `source` is, with merged tensors in `type`; all others and the metadata stay as they are, but for
 * general.file_type. One in parts becomes one file.
 *
 * @throws MoloraError as `mergedSafetensors`, and what reading the GGUF throws
 */
export async function mergedGguf(
  plan: MergePlan,
  source: ByteSource,
  config: ModelConfig,
  type: "f32" | "f16" | "q8_0",
): Promise<MergedBase> {
  const family = familyOf(config);
  const { tensors } = await readGguf(source);
  refuseUnread(tensors);
  const parts = await openParts(source, source.beside);
  const deltas = deltasOf(plan);
  const rounding = { lost: 0, added: 0 };
  const { q_proj, k_proj } = family.tensors.modules;
  const infos = parts.flatMap(({ source, header }) => header.tensors.map((info) => ({ source, info })));
  const pieces = infos.map(({ source, info }): WrittenPiece => {
    const name = hfName(family, info.name) ?? info.name;
    const delta = deltas.take(name);
    if (delta === undefined) return asStored(source, info);
    const rotated = [q_proj, k_proj].some(({ gguf }) => info.name.endsWith(`.${gguf}.weight`));
    const interleaved = family.gguf.interleavedRope && rotated;
    const placeOf = interleaved ? { placeOf: (row: number) => interleavedRow(row, config.headDim) } : {};
    return encoded(tensors.tensors.get(name)!, type, { name: info.name, delta, rounding, ...placeOf });
  });
  deltas.refuseLeft(source.name);
  const metadata = typedMetadata(parts[0].header);
  const fileType = FILE_TYPES[type];
  if (fileType !== undefined) metadata.set("general.file_type", { type: "u32", value: fileType });
  return { tensors: pieces.length, pieces: inOrder(ggufHeader(metadata, pieces), pieces, GGUF_ALIGNMENT), rounding };
}

/** As it lies in the file, rows in the file's order. */
function asStored(source: ByteSource, { name, type, shape, begin, end }: GgufTensorInfo): WrittenPiece {
  if (type.stored === undefined) throw new MoloraError("internal", `${name} is of a type that is not read`);
  return { name, type: type.stored, shape, read: () => source.read(begin, end - begin) };
}

/** Every value as the file states it; what says of parts is left out, since the result is one file. */
function typedMetadata({ metadata, types }: GgufHeader): Map<string, TypedValue> {
  const entries = [...metadata].filter(([key]) => !key.startsWith("split."));
  // The reader paired each value with its type.
  const typed = new Map(entries.map(([key, value]) => [key, { ...types.get(key)!, value } as TypedValue]));
  if (typed.has("general.alignment")) typed.set("general.alignment", { type: "u32", value: GGUF_ALIGNMENT });
  return typed;
}

/** Deltas by the name of the weight they are added to. */
function deltasOf(plan: MergePlan) {
  const left = new Map(
    plan.places.map((place) => [`${place.path}.weight`, () => wholeOf(mergedDelta(plan.jobOf(place)))]),
  );
  return {
    take(name: string) {
      const delta = left.get(name);
      left.delete(name);
      return delta;
    },
    refuseLeft(file: string) {
      const [missing] = left.keys();
      if (missing === undefined) return;
      throw new MoloraError("tensor_missing", `${file} has no ${missing}, which the merge changes`);
    },
  };
}

function refuseUnread({ unsupported }: TensorSource): void {
  const [first] = unsupported ?? [];
  if (first === undefined) return;
  throw new MoloraError("unsupported_dtype", `tensor ${first[0]} is stored as ${first[1]}, which is not read`);
}

async function* inOrder(header: Uint8Array, pieces: readonly WrittenPiece[], alignment: number) {
  yield header;
  for (const { read } of pieces) {
    const bytes = await read();
    const padding = (alignment - (bytes.length % alignment)) % alignment;
    yield padding === 0 ? bytes : joined(bytes, padding);
  }
}

function joined(bytes: Uint8Array, padding: number): Uint8Array {
  const padded = new Uint8Array(bytes.length + padding);
  padded.set(bytes);
  return padded;
}
