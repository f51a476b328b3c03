// How a kernel that consumes a linear layer's output adds the LoRA delta to it, as a fragment it is composed with.
// It knows nothing of how the shrunk vectors or planes came to be.

import type { Constants } from "../engine/gpu/kernel.ts";
import type { Fragment } from "./compose.ts";
import { shader } from "./step.ts";

/**
 * none: no adapter in this step. gather: few tokens; each output row reads its own B row (BGMV, Punica §4).
 * segmented: many tokens; the expand kernel has written one plane of deltas an entry (SGMV).
 */
export type LoraForm = "none" | "gather" | "segmented";

/** Sizes that LoRA kernels are built for. */
export interface LoraFacts {
  /** Entries a token can have: the table's stride. */
  entries: number;
  /** ceil(highest rank / 4) that shrunk vectors have room for. */
  rank4: number;
  /** Tokens a plane has room for. */
  maxTokens: number;
}

/** The modules whose outputs one launch produces together, at most three, as kernels are built for them. */
export interface LoraShape extends LoraFacts {
  /** Number of the first module: where its header stands in an adapter's run. The others follow. */
  firstModule: number;
  /** Output rows of each module. */
  rows: readonly number[];
}

export function loraConstants({ firstModule, rows, entries, rank4, maxTokens }: LoraShape): Constants {
  const [first = 0, second = 0] = rows;
  return {
    ENTRIES: entries,
    RANK4: rank4,
    MAX_TOKENS: maxTokens,
    GROUP: rows.length,
    MODULE0: firstModule,
    ROW_1: first,
    ROW_2: first + second,
    GROUP_ROWS: rows.reduce((sum, count) => sum + count, 0),
  };
}

/** Gives the kernel `lora_delta4(token, module of the group, first of 4 rows)`. `inPool`: it has the pool bound read_write itself. */
export function loraFragment(form: LoraForm, shape: LoraShape, inPool = false): Fragment {
  const constants = loraConstants(shape);
  const at = "LORA_BINDING";
  switch (form) {
    case "none":
      return { parts: [shader("parts/lora_none")], bindings: {}, constants: {} };
    case "gather":
      return {
        parts: [
          shader(inPool ? "parts/adapters_in_pool" : "parts/adapters_read"),
          shader("parts/add_rows"),
          shader("parts/lora_gather"),
        ],
        bindings: { table: "read", shrunk: "read", ...(inPool ? {} : { adapters: "read" as const }) },
        constants,
        at,
      };
    case "segmented":
      return { parts: [shader("parts/lora_planes")], bindings: { table: "read", planes: "read" }, constants, at };
  }
}
