// What an adapter's configuration says of its tensors, whatever kind of file it stands in.

import type { Extras } from "./forms.ts";

export type TableName = "embed_tokens" | "lm_head";

/** What an adapter's configuration says of its tensors. */
export interface AdapterClaims {
  /** The base it was made for, for messages. */
  baseModel: string | undefined;
  /** Whether the module of a path is extended. Absent: the modules that have tensors are, whole. */
  isTargeted?: (path: string) => boolean;
  /** Rank, and the scale where the file has no alpha of the module's own. `found`: A's shape says the rank. */
  rankAndScale(path: string, found: number): { rank: number; scale: number };
  /** Factors lie as A [in, rank], B [rank, out]: always, never, or where their shapes say so. */
  transposed: "always" | "never" | "where shapes say so";
  /** What a LoRA has beside its pair: all of its modules, or none. Absent: those that have tensors. */
  extras?: Extras;
  /** See Adapter.invocation. */
  invocation?: readonly number[] | undefined;
  /** Bare parameters that are extended: their paths, or dotted endings of those. */
  parameters?: readonly string[];
  /** Tables that were trained whole. */
  saved?: ReadonlySet<TableName>;
  /** Ids of the rows of a table that were trained. */
  tokenRows?: ReadonlyMap<TableName, readonly number[]>;
}
