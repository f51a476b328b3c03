// What `engine.merge` is asked and answers.
// It imports nothing that knows of devices: an application's compiler reads it.

import type { MergeReport } from "../composition/merge/merge.ts";
import type { MergeMethod, MergeTuning } from "../composition/merge/options.ts";
import type { AbortLike, AdapterReport } from "../proto/api.ts";

/** Which loaded adapters become one, and how. */
export interface MergeRequest extends MergeTuning {
  /** Every method but darex, which needs texts. */
  method: Exclude<MergeMethod, "darex">;
  /** Loaded adapters by name, with their weights (default 1; negative ones take a skill away). */
  adapters: readonly { name: string; weight?: number }[];
  /** Called as matrices are done. */
  onProgress?: (done: number, total: number) => void;
  /** Aborting it leaves everything as it was. */
  signal?: AbortLike;
}

export interface MergedReport {
  /** The new adapter, as `loadAdapter` reports one. */
  adapter: AdapterReport;
  merge: MergeReport;
}
