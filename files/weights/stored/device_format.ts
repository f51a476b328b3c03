// Which device format a stored type is held in: the one place where this is decided.

import { type DeviceFormat, QUANTISED_FORMATS } from "../../../shaders/formats/device_format.ts";
import { STORED, type StoredType } from "./formats.ts";

/** What dense weights are to be held in. `auto`: as stored, bf16 as f16. */
export type WeightDtype = "f32" | "f16" | "q8_0" | "q4_0" | "auto";

/**
 * Exactness goes first. `auto` gives the smallest device format that holds every value of the type (its file says
 * which: q8_0 for bytes or fewer bits with one scale for 32 elements, q4 for Q4_0 and Q4_1, q5 for Q5_0 and Q5_1, q4_k and q6_k for
 * the K quants, f16 for halves), and f16 for bf16, whose small values it rounds. A `dtype` holds dense weights in that format; types
 * that a quantised format holds exactly stay so, but for f32.
 */
export function deviceFormat(type: StoredType, dtype: WeightDtype): DeviceFormat {
  const { held } = STORED[type];
  if (dtype === "f32") return "f32";
  if (dtype === "auto" || QUANTISED_FORMATS.has(held)) return held;
  return dtype === "q4_0" ? "q4" : dtype;
}
