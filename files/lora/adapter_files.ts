// Files of an adapter, opened whole: each reader of a format gives what it claims and its tensors.

import { MoloraError } from "../../proto/errors.ts";
import type { ByteSource, SourceFolder } from "../source.ts";
import type { TensorSource } from "../weights/tensor.ts";
import type { AdapterClaims } from "./claims.ts";

export interface AdapterFiles {
  claims: AdapterClaims;
  /** Names are parsed by factor_names.ts, whichever tool wrote them. */
  weights: TensorSource;
  /** All bytes that make the adapter what it is, for its hash. */
  bytes: Uint8Array[];
}

const MAX_WEIGHT_BYTES = 2 ** 31;
export const MAX_CONFIG_BYTES = 4 << 20;

/** @throws MoloraError `adapter_unsupported` above `limit` bytes */
export async function readWhole(source: ByteSource, limit = MAX_WEIGHT_BYTES): Promise<Uint8Array> {
  if (source.size > limit) {
    throw new MoloraError("adapter_unsupported", `${source.name}: ${source.size} bytes, at most ${limit} are read`);
  }
  return source.read(0, source.size);
}

/** @throws MoloraError `file_not_found` */
export async function openFile(folder: SourceFolder, file: string, remedy: string): Promise<ByteSource> {
  const source = await folder.open(file);
  if (source !== undefined) return source;
  throw new MoloraError("file_not_found", `${folder.name} has no ${file}`, { remedy });
}
