// Builds a kernel out of its own text and fragments that several kernels share (a LoRA form, an activation form).
// It knows nothing of what the fragments compute.

import type { BindingType, Constants, Kernel } from "../engine/gpu/kernel.ts";
import { shader } from "./step.ts";

/** WGSL that joins a kernel: its bindings follow the kernel's own, the first of them at constant `at`. */
export interface Fragment {
  readonly parts: readonly string[];
  readonly bindings: Readonly<Record<string, BindingType>>;
  readonly constants: Constants;
  readonly at?: string;
}

/** A kernel and the constants it is compiled under. */
export interface Build {
  readonly kernel: Kernel;
  readonly constants: Constants;
}

/** `own`: bindings that the kernel's text declares, in order. Fragments come ahead of the text, after parts/step. */
export function compose(
  name: string,
  own: Readonly<Record<string, BindingType>>,
  constants: Constants,
  fragments: readonly Fragment[] = [],
): Build {
  const bindings: Record<string, BindingType> = { ...own };
  const all: Record<string, number | boolean> = { ...constants };
  const parts = [shader("parts/step")];
  for (const fragment of fragments) {
    if (fragment.at !== undefined) all[fragment.at] = Object.keys(bindings).length;
    Object.assign(bindings, fragment.bindings);
    Object.assign(all, fragment.constants);
    parts.push(...fragment.parts);
  }
  parts.push(shader(name));
  return { kernel: { name, parts, bindings }, constants: all };
}
