// A GGUF file as a model's tensors under their Hugging Face names and in the Hugging Face row order.
// It knows nothing of the header's bytes (gguf_header.ts) nor of what a model needs (expected.ts).

import type { GgufValue } from "./gguf_header.ts";
import type { TensorSource } from "./tensor.ts";

export type { GgufValue } from "./gguf_header.ts";

export interface GgufFile {
  metadata: ReadonlyMap<string, GgufValue>;
  tensors: TensorSource;
}
