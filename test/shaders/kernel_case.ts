// Runs one kernel over plain arrays, and differentiates a float64 function numerically: what gradient checks are made of.

import assert from "node:assert/strict";
import type { Device } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import { type Kernel, launch } from "../../shaders/kernel.ts";
import type { StepShape } from "../../shaders/step.ts";
import type { SizedKernel } from "../../shaders/training/sizes.ts";
import { run } from "./device.ts";
import { Output } from "./outputs.ts";

export type Plain = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** A batch of whole sequences: what kernels read of it. */
export interface CaseBatch {
  shape: StepShape;
  step: Uint32Array<ArrayBuffer>;
  /** [T] (id, position, sequence, -) */
  tokens: Uint32Array<ArrayBuffer>;
  sequences: Uint32Array<ArrayBuffer>;
}

export function caseBatch(lengths: readonly number[], rows = 0): CaseBatch {
  const tokens = lengths.flatMap((length, s) => Array.from({ length }, (_, i) => [0, i, s, 0, i, 0, 0, 0])).flat();
  let first = 0;
  const sequences = lengths.flatMap((length) => {
    const words = [first, length, 0, 0, 0, 0, 0, 0];
    first += length;
    return words;
  });
  const shape = {
    tokens: first,
    sequences: lengths.length,
    rows,
    entries: 0,
    maxRank4: 0,
    adapters: 0,
    routed: false,
    gateWidth: 0,
  };
  return {
    shape,
    step: Uint32Array.of(first, lengths.length, rows, 0),
    tokens: Uint32Array.from(tokens),
    sequences: Uint32Array.from(sequences),
  };
}

/** Runs a kernel once. `arrays`: what each binding holds before; those it writes come back, guarded on both sides. */
export async function runKernel<Facts>(
  device: Device,
  kernel: Kernel<Facts> | SizedKernel<Facts>,
  facts: Facts,
  shape: StepShape,
  arrays: Readonly<Record<string, Plain>>,
): Promise<Record<string, Float32Array<ArrayBuffer>>> {
  const views: Record<string, View> = {};
  const outputs: Record<string, Output> = {};
  for (const [name, access] of Object.entries(kernel.wgsl(facts, { subgroups: true }).bindings)) {
    const sizes =
      name === "sizes" && "sizes" in kernel ? Uint32Array.from(Object.values(kernel.sizes(facts))) : undefined;
    const array = sizes ?? arrays[name] ?? new Float32Array(4);
    if (access === "read_write") {
      outputs[name] = new Output(device, array.length, array as Float32Array<ArrayBuffer>);
      views[name] = outputs[name].view;
    } else {
      views[name] = device.allocate(name, array.byteLength, access === "uniform" ? "uniform" : "storage");
      device.write(views[name], array);
    }
  }
  await run(device, [launch(kernel, facts, views)], shape);
  const results: Record<string, Float32Array<ArrayBuffer>> = {};
  for (const [name, output] of Object.entries(outputs)) results[name] = await output.read();
  return results;
}

/**
 * Asserts that `gradient` is df/dx, by central differences in float64: at every element of x, or at about `samples` of
 * them spread evenly. Tolerance: against the largest difference found, or 1e-3 where all are smaller.
 */
export function checkGradient(
  gradient: ArrayLike<number>,
  f: (x: Float64Array) => number,
  x: ArrayLike<number>,
  { tolerance = 2e-5, samples = 200, h = 1e-5 } = {},
): void {
  assert.equal(gradient.length, x.length, "lengths differ");
  // An odd stride meets every residue of the even sizes that rows have.
  const stride = Math.max(1, Math.floor(x.length / samples / 2) * 2 + 1);
  const at = Float64Array.from(x);
  const found: [index: number, difference: number][] = [];
  for (let i = 0; i < at.length; i += stride) {
    const value = at[i];
    at[i] = value + h;
    const above = f(at);
    at[i] = value - h;
    found.push([i, (above - f(at)) / (2 * h)]);
    at[i] = value;
  }
  const largest = found.reduce((most, [, difference]) => Math.max(most, Math.abs(difference)), 1e-3);
  for (const [i, difference] of found) {
    const error = Math.abs(gradient[i] - difference);
    assert.ok(
      error <= tolerance * largest,
      `element ${i}: ${gradient[i]}, by differences ${difference} (of ${largest})`,
    );
  }
}

/** Σ left · right. */
export function inner(left: ArrayLike<number>, right: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < left.length; i++) sum += left[i] * right[i];
  return sum;
}
