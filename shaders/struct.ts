// A struct that host and kernels share, written once: its bytes, a writer by name, and its WGSL text.

export type FieldType = "u32" | "f32";
export type Fields = Readonly<Record<string, FieldType>>;

/** Four bytes a field, in the order of the fields, padded to whole vec4s as WGSL lays out arrays of vec4-aligned structs. */
export interface Struct<F extends Fields> {
  readonly name: string;
  readonly fields: F;
  /** Bytes of one. */
  readonly bytes: number;
  /** Words of one. */
  readonly words: number;
  /** Word of each field. */
  readonly at: Readonly<Record<keyof F, number>>;
  /** `struct Name { … }` */
  readonly wgsl: string;
  /** Writes one at word `at` of `target`; fields left out are zero. */
  write(target: WordBuffer, at: number, values: Readonly<Partial<Record<keyof F, number>>>): void;
}

/** The same bytes as words and as floats. */
export interface WordBuffer {
  readonly words: Uint32Array<ArrayBuffer>;
  readonly floats: Float32Array<ArrayBuffer>;
}

export function wordBuffer(bytes: number | ArrayBuffer): WordBuffer {
  const buffer = typeof bytes === "number" ? new ArrayBuffer(bytes) : bytes;
  return { words: new Uint32Array(buffer), floats: new Float32Array(buffer) };
}

export function struct<const F extends Fields>(name: string, fields: F): Struct<F> {
  const names = Object.keys(fields) as (keyof F & string)[];
  const words = Math.ceil(names.length / 4) * 4;
  const padding = Array.from({ length: words - names.length }, (_, i) => `  _pad${i}: u32,\n`);
  const lines = names.map((field) => `  ${field}: ${fields[field]},\n`);
  return {
    name,
    fields,
    bytes: 4 * words,
    words,
    at: Object.fromEntries(names.map((field, i) => [field, i])) as Record<keyof F, number>,
    wgsl: `struct ${name} {\n${[...lines, ...padding].join("")}}\n`,
    write({ words: target, floats }, at, values) {
      for (let i = 0; i < names.length; i++) {
        const value = values[names[i]] ?? 0;
        if (fields[names[i]] === "f32") floats[at + i] = value;
        else target[at + i] = value;
      }
      target.fill(0, at + names.length, at + words);
    },
  };
}
