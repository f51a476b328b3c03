// How a kernel that consumes a linear layer's output adds the LoRA delta to it, as a fragment it is composed with.

import type { Constants, Fragment } from "../kernel.ts";
import { type AdapterDtype, CPU_ADAPTER_DTYPES } from "./adapter_dtype.ts";

/**
 * none: no adapter in this step. gather: each output row reads its own B row (BGMV, Punica §4): few tokens, and any number
 * on the CPU. segmented: many tokens on a GPU; the expand kernel has written one plane of deltas an entry (SGMV).
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
  /** What factors are held in. Default f32. */
  dtype?: AdapterDtype;
}

/** Modules whose outputs one launch produces together. */
export interface LoraShape extends LoraFacts {
  /** Index of the first of them among the headers of an adapter's run. */
  firstModule: number;
  /** Output rows of each, in the order their rows are joined; at most three. */
  rows: readonly number[];
}

/** What a consumer is built for. */
export interface LoraUse {
  form: LoraForm;
  shape: LoraShape;
}

export const NO_LORA: LoraUse = {
  form: "none",
  shape: { firstModule: 0, rows: [], entries: 0, rank4: 0, maxTokens: 0 },
};

/** Constants of a consumer: none where no adapter is in the step. */
export function loraConstants({ form, shape }: LoraUse): Constants {
  return form === "none" ? {} : shapeConstants(shape);
}

export function shapeConstants({ firstModule, rows, entries, rank4, maxTokens, dtype = "f32" }: LoraShape): Constants {
  const [first = 0, second = 0] = rows;
  return {
    ENTRIES: entries,
    RANK4: rank4,
    MAX_TOKENS: maxTokens,
    GROUP: rows.length,
    MODULE0: firstModule,
    DTYPE: CPU_ADAPTER_DTYPES[dtype],
    ROW_1: first,
    ROW_2: first + second,
    GROUP_ROWS: rows.reduce((sum, count) => sum + count, 0),
  };
}

/** The kernel has the pool bound read_write itself, as vec4f, as vec4u (`words`) or as vec2u (`halves`). */
export type InPool = "floats" | "words" | "halves";

const IN_POOL: Record<InPool, string> = {
  floats: "lora/adapters_in_pool",
  words: "lora/adapters_in_words",
  halves: "lora/adapters_in_halves",
};

/** How factors are read, where the pool is bound by itself: at ADAPTERS_BINDING, for reading only. */
export function factorTexts({ dtype = "f32" }: LoraShape, inPool?: InPool): string[] {
  const read = dtype === "f32" ? "lora/adapters_read" : "lora/adapters_read_bits";
  return [inPool === undefined ? read : IN_POOL[inPool], "lora/add_rows", `lora/factors_${dtype}`];
}

/** Gives the kernel `lora_delta4(token, module of the group, first of 4 rows, the layer's own output there)`. */
export function loraFragment({ form, shape }: LoraUse, inPool?: InPool): Fragment {
  const at = "LORA_BINDING";
  switch (form) {
    case "none":
      return { texts: ["lora/lora_none"] };
    case "gather":
      return {
        texts: [...factorTexts(shape, inPool), "lora/lora_gather"],
        bindings: { table: "read", shrunk: "read", ...(inPool === undefined ? { adapters: "read" as const } : {}) },
        at,
      };
    case "segmented":
      return { texts: ["lora/lora_planes"], bindings: { table: "read", planes: "read" }, at };
  }
}
