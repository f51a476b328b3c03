// The numbers GGUF gives to its tensor types and metadata types.
// It knows nothing of how either is laid out in a header.

import type { StoredType } from "../tensor.ts";

/** A tensor type of ggml: its name there, bytes and elements of a block, and what it is here where it is read. */
export interface GgmlType {
  name: string;
  bytes: number;
  elements: number;
  stored?: StoredType;
}

/** By the number in the file (enum ggml_type of ggml.h). Types that are not read still have a size to check. */
export const GGML_TYPES: ReadonlyMap<number, GgmlType> = new Map([
  [0, { name: "F32", bytes: 4, elements: 1, stored: "f32" }],
  [1, { name: "F16", bytes: 2, elements: 1, stored: "f16" }],
  [2, { name: "Q4_0", bytes: 18, elements: 32, stored: "q4_0" }],
  [3, { name: "Q4_1", bytes: 20, elements: 32, stored: "q4_1" }],
  [6, { name: "Q5_0", bytes: 22, elements: 32 }],
  [7, { name: "Q5_1", bytes: 24, elements: 32 }],
  [8, { name: "Q8_0", bytes: 34, elements: 32, stored: "q8_0" }],
  [9, { name: "Q8_1", bytes: 36, elements: 32 }],
  [10, { name: "Q2_K", bytes: 84, elements: 256 }],
  [11, { name: "Q3_K", bytes: 110, elements: 256 }],
  [12, { name: "Q4_K", bytes: 144, elements: 256 }],
  [13, { name: "Q5_K", bytes: 176, elements: 256 }],
  [14, { name: "Q6_K", bytes: 210, elements: 256 }],
  [15, { name: "Q8_K", bytes: 292, elements: 256 }],
  [16, { name: "IQ2_XXS", bytes: 66, elements: 256 }],
  [17, { name: "IQ2_XS", bytes: 74, elements: 256 }],
  [18, { name: "IQ3_XXS", bytes: 98, elements: 256 }],
  [19, { name: "IQ1_S", bytes: 50, elements: 256 }],
  [20, { name: "IQ4_NL", bytes: 18, elements: 32 }],
  [21, { name: "IQ3_S", bytes: 110, elements: 256 }],
  [22, { name: "IQ2_S", bytes: 82, elements: 256 }],
  [23, { name: "IQ4_XS", bytes: 136, elements: 256 }],
  [24, { name: "I8", bytes: 1, elements: 1 }],
  [25, { name: "I16", bytes: 2, elements: 1 }],
  [26, { name: "I32", bytes: 4, elements: 1 }],
  [27, { name: "I64", bytes: 8, elements: 1 }],
  [28, { name: "F64", bytes: 8, elements: 1 }],
  [29, { name: "IQ1_M", bytes: 56, elements: 256 }],
  [30, { name: "BF16", bytes: 2, elements: 1, stored: "bf16" }],
  [34, { name: "TQ1_0", bytes: 54, elements: 256 }],
  [35, { name: "TQ2_0", bytes: 66, elements: 256 }],
  [39, { name: "MXFP4", bytes: 17, elements: 32 }],
]);

/** Metadata value types by their number in the file. */
export const VALUE_TYPES = [
  ...(["u8", "i8", "u16", "i16", "u32", "i32", "f32"] as const),
  ...(["bool", "string", "array", "u64", "i64", "f64"] as const),
] as const;
export type ValueType = (typeof VALUE_TYPES)[number];
