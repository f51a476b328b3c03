// A kernel as data: its constants and its two bodies, WGSL for GPUs and WebAssembly for CPUs; a launch is a kernel with
// the facts it is built for and the views it works on. Devices turn both into work (engine/device/device.ts).

import type { StepShape } from "./step.ts";

export type Access = "uniform" | "read" | "read_write";

/** @group(0) @binding(index), in this order. */
export type Bindings = Readonly<Record<string, Access>>;

/** Values known when a kernel is compiled: WGSL `const` declarations, and fields of the CPU body's arguments. */
export type Constants = Readonly<Record<string, number | boolean>>;

/** Workgroups. */
export type Grid = readonly [x: number, y: number, z: number];

/** What a WGSL body may be chosen by. */
export interface GpuTraits {
  /** WGSL's `enable subgroups`. */
  readonly subgroups: boolean;
}

/** WGSL that several kernels share. Its bindings follow the kernel's own, the first of them at the constant `at`. */
export interface Fragment {
  /** Names of texts, without their ending, from shaders/ on. */
  readonly texts: readonly string[];
  readonly bindings?: Bindings;
  readonly constants?: Constants;
  readonly at?: string;
}

export interface WgslBody<Shape> {
  /** The name of the text with `main`. */
  readonly text: string;
  /** Those that the text itself declares. */
  readonly bindings: Bindings;
  /** Structs beyond those of a step (step.ts). */
  readonly structs?: readonly { readonly wgsl: string }[];
  /** They come ahead of the text. */
  readonly fragments?: readonly Fragment[];
  /** Those only this body has: tiles, workgroup sizes. */
  readonly constants?: Constants;
  /** WGSL extensions; the device has the features of the same names. */
  readonly enables?: readonly "subgroups"[];
  /** A zero skips the launch. */
  readonly grid: (shape: Shape) => Grid;
}

/**
 * A function of the WebAssembly module. Its arguments are filled by the names it declares them under: views (absent ones
 * are null) and constants. It computes work items one by one, so that threads can share them in any way.
 */
export interface CpuBody<Shape> {
  /** The exported function. */
  readonly body: string;
  /** Those only this body has. */
  readonly constants?: Constants;
  /** How many items there are; none skips the launch. */
  readonly items: (shape: Shape) => number;
}

export interface Kernel<Facts, Shape = StepShape> {
  readonly name: string;
  constants(facts: Facts): Constants;
  /** @throws RangeError for facts that no body is written for */
  check?(facts: Facts): void;
  wgsl(facts: Facts, gpu: GpuTraits): WgslBody<Shape>;
  /** Bodies whose items run side by side. Absent: a kernel that only GPUs need. */
  cpu?(facts: Facts): readonly CpuBody<Shape>[];
}

/** By the names of bindings. */
export type Views<View> = Readonly<Record<string, View>>;

/** One launch, for any step of its kind: its extent comes from the shape of the step at hand. */
export interface Launch<View, Shape = StepShape> {
  readonly kernel: Kernel<unknown, Shape>;
  readonly facts: unknown;
  readonly views: Views<View>;
}

/** Views of a name that the body at hand does not bind are ignored. */
export function launch<Facts, View, Shape>(
  kernel: Kernel<Facts, Shape>,
  facts: Facts,
  views: Views<View>,
): Launch<View, Shape> {
  kernel.check?.(facts);
  return { kernel: kernel as Kernel<unknown, Shape>, facts, views };
}
