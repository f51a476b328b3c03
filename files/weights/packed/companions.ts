// What lies beside the codes of a packed matrix.

import type { RawTensor, StoredTensor } from "../tensor.ts";

/** What lies in a file beside the codes of a matrix: tensors and raw ones by what follows the matrix's name. */
export interface Companions {
  stored(suffix: string): StoredTensor;
  raw(suffix: string, dtype: string): RawTensor;
  has(suffix: string): boolean;
}
