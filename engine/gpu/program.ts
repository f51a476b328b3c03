// A step as data: launches baked once with their bind groups, re-encoded each step with that step's grid.
// It knows nothing of what the launches compute.

import type { View } from "./buffers.ts";
import type { Gpu } from "./gpu.ts";
import type { Pipeline } from "./pipelines.ts";

export type Grid = readonly [x: number, y: number, z: number];

/** One launch. `grid` gets the shape of the step at hand; a zero in it skips the launch. */
export interface Launch<Shape> {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly grid: (shape: Shape) => Grid;
}

/** Binds buffers to a pipeline. Every binding of the kernel must be given. */
export function launch<Name extends string, Shape>(
  gpu: Gpu,
  { kernel, pipeline, layout }: Pipeline<Name>,
  views: Readonly<Record<Name, View>>,
  grid: (shape: Shape) => Grid,
): Launch<Shape> {
  const names = Object.keys(kernel.bindings) as Name[];
  const group = gpu.device.createBindGroup({
    label: kernel.name,
    layout,
    entries: names.map((name, binding) => ({ binding, resource: views[name] })),
  });
  return { label: kernel.name, pipeline, group, grid };
}

/** Encodes the launches into an open pass; returns how many were not skipped. */
export function encode<Shape>(pass: GPUComputePassEncoder, launches: readonly Launch<Shape>[], shape: Shape): number {
  let count = 0;
  let bound: GPUComputePipeline | undefined;
  for (const { pipeline, group, grid } of launches) {
    const [x, y, z] = grid(shape);
    if (x === 0 || y === 0 || z === 0) continue;
    if (pipeline !== bound) {
      pass.setPipeline(pipeline);
      bound = pipeline;
    }
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(x, y, z);
    count++;
  }
  return count;
}
