// What the engine is given from above: a device and files. Node and browsers each provide one.
// It knows nothing of either.

import type { ByteSource, SourceFolder } from "../files/source.ts";
import type { GpuOptions } from "./gpu/gpu.ts";
import type { OpenGrammarThread } from "./sampling/threads/orders.ts";

export interface Host {
  /** Opens the device; `close` frees all that was made on it. */
  openGpu(): Promise<GpuOptions & { close(): void }>;
  /** A thread that serves grammars, for constrained decoding; absent where there are none. */
  openGrammarThread?: OpenGrammarThread;
  /** Opens a file or folder by a path or URL of the host's kind. Rejects with `file_not_found`. */
  open(path: string): Promise<ByteSource | SourceFolder>;
  /** `path` as meant by something that lies in folder `from`. */
  resolve(from: string, path: string): string;
}
