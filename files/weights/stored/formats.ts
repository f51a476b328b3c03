// The stored element types there are. A new one is a file beside this one and a row here.

import { BF16 } from "./bf16.ts";
import { F16 } from "./f16.ts";
import { F32 } from "./f32.ts";
import { F64 } from "./f64.ts";
import type { StoredFormat } from "./format.ts";
import { IQ4_NL } from "./iq4_nl.ts";
import { IQ4_XS } from "./iq4_xs.ts";
import { MXFP4 } from "./mxfp4.ts";
import { Q2_K } from "./q2_k.ts";
import { Q3_K } from "./q3_k.ts";
import { Q4_0 } from "./q4_0.ts";
import { Q4_1 } from "./q4_1.ts";
import { Q4_K } from "./q4_k.ts";
import { Q5_0 } from "./q5_0.ts";
import { Q5_1 } from "./q5_1.ts";
import { Q5_K } from "./q5_k.ts";
import { Q6_K } from "./q6_k.ts";
import { Q8_0 } from "./q8_0.ts";
import { U4X32, U4X128 } from "./u4.ts";

const FORMATS = {
  f32: F32,
  f16: F16,
  bf16: BF16,
  f64: F64,
  q8_0: Q8_0,
  q4_0: Q4_0,
  q4_1: Q4_1,
  q5_0: Q5_0,
  q5_1: Q5_1,
  q2_k: Q2_K,
  q3_k: Q3_K,
  q4_k: Q4_K,
  q5_k: Q5_K,
  q6_k: Q6_K,
  iq4_nl: IQ4_NL,
  iq4_xs: IQ4_XS,
  mxfp4: MXFP4,
  u4x32: U4X32,
  u4x128: U4X128,
};

export type StoredType = keyof typeof FORMATS;

export const STORED: Readonly<Record<StoredType, StoredFormat>> = FORMATS;

export const STORED_TYPES = Object.keys(FORMATS) as StoredType[];

/** The type that safetensors call `dtype`, or undefined. */
export function typeOfDtype(dtype: string): StoredType | undefined {
  return STORED_TYPES.find((type) => STORED[type].safetensors === dtype);
}
