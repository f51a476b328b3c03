// The numbers GGUF gives to its tensor types and metadata types.

import { STORED, STORED_TYPES, type StoredType } from "../stored/formats.ts";

/** A tensor type of ggml: its name there, bytes and elements of a block, and what it is here where it is read. */
export interface GgmlType {
  name: string;
  bytes: number;
  elements: number;
  stored?: StoredType;
}

/** Types that are not read still have a size to check. */
const UNREAD: readonly (readonly [number: number, type: GgmlType])[] = [
  [9, { name: "Q8_1", bytes: 36, elements: 32 }],
  [15, { name: "Q8_K", bytes: 292, elements: 256 }],
  [16, { name: "IQ2_XXS", bytes: 66, elements: 256 }],
  [17, { name: "IQ2_XS", bytes: 74, elements: 256 }],
  [18, { name: "IQ3_XXS", bytes: 98, elements: 256 }],
  [19, { name: "IQ1_S", bytes: 50, elements: 256 }],
  [21, { name: "IQ3_S", bytes: 110, elements: 256 }],
  [22, { name: "IQ2_S", bytes: 82, elements: 256 }],
  [24, { name: "I8", bytes: 1, elements: 1 }],
  [25, { name: "I16", bytes: 2, elements: 1 }],
  [26, { name: "I32", bytes: 4, elements: 1 }],
  [27, { name: "I64", bytes: 8, elements: 1 }],
  [29, { name: "IQ1_M", bytes: 56, elements: 256 }],
  [34, { name: "TQ1_0", bytes: 54, elements: 256 }],
  [35, { name: "TQ2_0", bytes: 66, elements: 256 }],
  [40, { name: "NVFP4", bytes: 36, elements: 64 }],
  [41, { name: "Q1_0", bytes: 18, elements: 128 }],
];

/** By the number in the file (enum ggml_type of ggml.h). */
export const GGML_TYPES: ReadonlyMap<number, GgmlType> = new Map([
  ...UNREAD,
  ...STORED_TYPES.flatMap((stored) => {
    const { ggml, bytes, elements } = STORED[stored];
    return ggml === undefined ? [] : [[ggml.number, { name: ggml.name, bytes, elements, stored }] as const];
  }),
]);

/** Metadata value types by their number in the file. */
export const VALUE_TYPES = [
  ...(["u8", "i8", "u16", "i16", "u32", "i32", "f32"] as const),
  ...(["bool", "string", "array", "u64", "i64", "f64"] as const),
] as const;
export type ValueType = (typeof VALUE_TYPES)[number];
