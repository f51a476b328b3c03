// What the engine is given from above: a device and files. Node and browsers each provide one.
// It knows nothing of either.

import type { ByteSource, SourceFolder } from "../files/source.ts";
import type { GpuOptions } from "./gpu/gpu.ts";
import type { GrammarInstance } from "./sampling/grammar.ts";

export interface Host {
  /** Opens the device; `close` frees all that was made on it. */
  openGpu(): Promise<GpuOptions & { close(): void }>;
  /** A fresh instance of the grammar library, for constrained decoding; absent where there is none. */
  openGrammars?(): Promise<GrammarInstance>;
  /** Opens a file or folder by a path or URL of the host's kind. Rejects with `file_not_found`. */
  open(path: string): Promise<ByteSource | SourceFolder>;
  /** `path` as meant by something that lies in folder `from`. */
  resolve(from: string, path: string): string;
}
