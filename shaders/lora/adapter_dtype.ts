// What the factors A and B of adapters are held in on the device. How they lie: lora/factors_*.wgsl.

/** q8_0, q4_0: whole numbers of 8 and 4 bits in blocks of 32 along a row, with a scale of f32 each. */
export type AdapterDtype = "f32" | "f16" | "q8_0" | "q4_0";

export const ADAPTER_DTYPES: readonly AdapterDtype[] = ["f32", "f16", "q8_0", "q4_0"];

/** Values of a CPU body's DTYPE, as cpu/factors.cpu.ts numbers them. */
export const CPU_ADAPTER_DTYPES: Record<AdapterDtype, number> = { f32: 0, f16: 1, q8_0: 2, q4_0: 3 };
