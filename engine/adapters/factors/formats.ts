// Every dtype that factors are held in.

import type { AdapterDtype } from "../../../shaders/lora/adapter_dtype.ts";
import { Q4_0_FACTORS, Q8_0_FACTORS } from "./blocks.ts";
import { F16_FACTORS } from "./f16.ts";
import { F32_FACTORS } from "./f32.ts";
import type { FactorFormat } from "./format.ts";

export const FACTORS: Readonly<Record<AdapterDtype, FactorFormat>> = {
  f32: F32_FACTORS,
  f16: F16_FACTORS,
  q8_0: Q8_0_FACTORS,
  q4_0: Q4_0_FACTORS,
};
