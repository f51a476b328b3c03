// One safetensors file as named tensors, its header believed only where it adds up.
// Adapters, routers and bases are all read through it.

import { MoloraError } from "../../../proto/errors.ts";
import type { ByteSource } from "../../source.ts";
import { FileTensor } from "../file_tensor.ts";
import { checkPlacements, outOfRange } from "../placement.ts";
import { STORED, STORED_TYPES, typeOfDtype } from "../stored/formats.ts";
import type { RawTensor, StoredTensor, TensorSource } from "../tensor.ts";
import { checkDirectory, type DirectoryEntry, parseSafetensorsHeader } from "./safetensors_header.ts";

/** Longest header read, in bytes: the limit of the reference implementation. */
export const MAX_HEADER_BYTES = 100_000_000;

const SAFETENSORS = STORED_TYPES.flatMap((type) => STORED[type].safetensors ?? []).join(", ");
const GGUF = STORED_TYPES.flatMap((type) => STORED[type].ggml?.name ?? []).join(", ");

export interface SafetensorsOptions {
  /**
   * What to do with tensors that are not F32, F16, BF16 or F64. "refuse" (default): `unsupported_dtype` names the first.
   * "list": they go to `unsupported`, for files where buffers nobody wants (I64 position ids) lie beside the weights.
   */
  otherTypes?: "refuse" | "list";
}

/**
 * Reads the header; tensors' bytes are read when asked for. Format: https://huggingface.co/docs/safetensors (8-byte
 * length, JSON directory, data without holes).
 *
 * @throws MoloraError `file_truncated`, `header_too_large`, `header_invalid`, `tensor_out_of_range`, `tensor_overlap`,
 * `unsupported_dtype`
 */
export async function readSafetensors(source: ByteSource, options: SafetensorsOptions = {}): Promise<TensorSource> {
  const headerBytes = await readHeaderLength(source);
  const header = await source.read(8, headerBytes);
  const entries = checkDirectory(source.name, parseSafetensorsHeader(source.name, header));
  checkPlaces(source, entries, source.size - 8 - headerBytes);

  const tensors = new Map<string, StoredTensor>();
  const unsupported = new Map<string, string>();
  const raw = new Map<string, RawTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    const type = typeOfDtype(dtype);
    if (type) {
      const place = { name, type, shape, offset: 8 + headerBytes + begin, bytes: end - begin };
      tensors.set(name, new FileTensor(source, place));
    } else if (options.otherTypes === "list") {
      unsupported.set(name, dtype);
      const read = (from: number, to: number) => source.read(8 + headerBytes + begin + from, to - from);
      raw.set(name, { name, dtype, shape, bytes: end - begin, read });
    } else throw unsupportedType(source.name, name, dtype);
  }
  return { name: source.name, tensors, unsupported, raw };
}

/** The error for a tensor whose stored type is not read, whatever the format. */
export function unsupportedType(file: string, tensor: string, dtype: string): MoloraError {
  return new MoloraError("unsupported_dtype", `${file}: tensor ${tensor} is stored as ${dtype}`, {
    remedy: `Convert it to ${SAFETENSORS} (safetensors), or to ${GGUF} (GGUF).`,
    details: { tensor, dtype },
  });
}

async function readHeaderLength(source: ByteSource): Promise<number> {
  const start = await source.read(0, 8);
  const length = Number(new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES) {
    throw new MoloraError(
      "header_too_large",
      `${source.name}: the header claims ${length} bytes, at most ${MAX_HEADER_BYTES} are read`,
      { remedy: "This is not a safetensors file, or it is damaged." },
    );
  }
  return length;
}

function checkPlaces(source: ByteSource, entries: DirectoryEntry[], size: number): void {
  for (const entry of entries) {
    if (entry.begin > entry.end) throw outOfRange(source.name, entry, size);
    if (entry.end - entry.begin === entry.bytes) continue;
    if (entry.end > size) throw outOfRange(source.name, entry, size);
    const claim = `${entry.dtype} [${entry.shape.join(", ")}] takes ${entry.bytes} bytes`;
    throw new MoloraError(
      "header_invalid",
      `${source.name}: tensor ${entry.name}: ${claim}, the header gives it ${entry.end - entry.begin}`,
      { remedy: "The file is damaged: fetch or export it again.", details: { tensor: entry.name } },
    );
  }
  const end = checkPlacements(source.name, entries, { size, alignment: 1, gaps: false });
  if (end < size) {
    throw new MoloraError("header_invalid", `${source.name}: ${size - end} bytes after the last tensor`, {
      remedy: "The file is damaged or two files were joined: fetch or export it again.",
    });
  }
}
