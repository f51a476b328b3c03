// A kernel as plain data: WGSL parts, bindings in order, and how a launch of it is described.
// It knows nothing of devices; pipelines.ts turns it into a pipeline.

export type BindingType = "uniform" | "read" | "read_write";

/** What is fixed when a kernel is written. `bindings` are @group(0), @binding(index), in this order. */
export interface Kernel<Name extends string = string> {
  readonly name: string;
  /** WGSL extensions the parts need ("subgroups"); the device must have the features of the same names. */
  readonly enables?: readonly GPUFeatureName[];
  /** URLs of the WGSL texts, joined in order after the constants. */
  readonly parts: readonly string[];
  readonly bindings: Readonly<Record<Name, BindingType>>;
}

/** Values known when the pipeline is built, written as WGSL `const` declarations ahead of the parts. */
export type Constants = Readonly<Record<string, number | boolean>>;

/** Types a kernel definition; the keys of `bindings` name the buffers at launch. */
export function defineKernel<const Name extends string>(kernel: Kernel<Name>): Kernel<Name> {
  return kernel;
}

/** WGSL text of the constants. Integers become abstract-int, so they fit u32 and i32 alike; others abstract-float. */
export function constantsText(constants: Constants): string {
  return Object.entries(constants)
    .map(([name, value]) => `const ${name} = ${literal(name, value)};\n`)
    .join("");
}

function literal(name: string, value: number | boolean): string {
  if (typeof value === "boolean") return String(value);
  if (!Number.isFinite(value)) throw new RangeError(`constant ${name} is ${value}`);
  return String(value);
}
