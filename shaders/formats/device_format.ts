// How weights lie on a device. On a GPU as formats/*.wgsl say, row by row; on the CPU in panels of rows (formats/*.cpu.ts).

/** q4 holds GGUF's q4_0 and q4_1, q5 its q5_0 and q5_1, q4_k and q6_k what has scales in two levels (files/weights/stored/scaled_groups.ts). */
export type DeviceFormat = "f32" | "f16" | "q8_0" | "q4" | "q5" | "q4_k" | "q6_k";

/** Those whose weights share scales: they can meet int8 activations. */
export const QUANTISED_FORMATS: ReadonlySet<DeviceFormat> = new Set(["q8_0", "q4", "q5", "q4_k", "q6_k"]);

/** Columns must be a multiple of this. */
export const FORMAT_COLUMNS: Record<DeviceFormat, number> = {
  f32: 4,
  f16: 8,
  q8_0: 32,
  q4: 32,
  q5: 32,
  q4_k: 128,
  q6_k: 128,
};

/** The form of a linear layer's input: f32, or beside it int8 in blocks of 32 with a scale (CPU only). */
export type ActivationForm = "f32" | "q8";

/** Values of a CPU body's FORMAT, as formats/format.cpu.ts numbers them. */
export const CPU_FORMATS: Record<DeviceFormat, number> = { f32: 0, f16: 1, q8_0: 2, q4: 3, q4_k: 4, q6_k: 5, q5: 6 };
