// Runs one kernel over plain arrays: what most cases are made of.

import type { Device, Launch } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import { type Bindings, type Kernel, launch } from "../../shaders/kernel.ts";
import { STEP, type StepShape } from "../../shaders/step.ts";
import { wordBuffer } from "../../shaders/struct.ts";
import type { SizedKernel } from "../../shaders/training/sizes.ts";
import { Output } from "./output.ts";

export type Plain = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Counts left out are zero. */
export function stepShape(counts: Partial<StepShape>): StepShape {
  const none = { tokens: 0, sequences: 0, rows: 0, entries: 0, maxRank4: 0, adapters: 0 };
  return { ...none, routed: false, gateWidth: 0, ...counts };
}

/** A uniform that holds the counts of `shape`. */
export function stepUniform(device: Device, { tokens, sequences, rows, entries }: StepShape): View {
  const target = wordBuffer(STEP.bytes);
  STEP.write(target, 0, { tokens, sequences, rows, entries });
  const view = device.allocate("step", STEP.bytes, "uniform");
  device.write(view, target.words);
  return view;
}

/** Runs launches once. */
export async function runOnce<Shape>(device: Device, launches: readonly Launch<Shape>[], shape: Shape): Promise<void> {
  await device.run([await device.prepare(launches)], shape);
}

interface More {
  /** Views bound as they are: weights, pools. */
  views?: Readonly<Record<string, View>>;
  /** Bindings that only the CPU's body has: int8 blocks. */
  cpu?: Bindings;
}

/**
 * `arrays`: what each binding holds before; those that the kernel writes come back. The uniforms `step` and `sizes` are
 * made from the shape and the facts.
 */
export async function compute<Facts, Shape = StepShape>(
  device: Device,
  kernel: Kernel<Facts, Shape> | SizedKernel<Facts>,
  facts: Facts,
  shape: Shape,
  arrays: Readonly<Record<string, Plain>>,
  { views = {}, cpu = {} }: More = {},
): Promise<Record<string, Float32Array<ArrayBuffer>>> {
  const bound: Record<string, View> = { ...views };
  const outputs: Record<string, Output> = {};
  const { bindings, fragments = [] } = (kernel as Kernel<Facts, Shape>).wgsl(facts, { subgroups: true });
  const all: Bindings = Object.assign({}, bindings, ...fragments.map((fragment) => fragment.bindings ?? {}), cpu);
  for (const [name, access] of Object.entries(all)) {
    if (name in bound) continue;
    if (name === "step") bound.step = stepUniform(device, shape as StepShape);
    else if (access === "read_write" && name in arrays) {
      outputs[name] = new Output(device, arrays[name].length, arrays[name]);
      bound[name] = outputs[name].view;
    } else {
      const sizes = "sizes" in kernel && name === "sizes" ? Object.values(kernel.sizes(facts)) : undefined;
      const array = sizes === undefined ? (arrays[name] ?? new Float32Array(4)) : Uint32Array.from(sizes);
      bound[name] = device.allocate(name, array.byteLength, access === "uniform" ? "uniform" : "storage");
      device.write(bound[name], array);
    }
  }
  await runOnce(device, [launch(kernel as Kernel<Facts, Shape>, facts, bound)], shape);
  const results: Record<string, Float32Array<ArrayBuffer>> = {};
  for (const [name, output] of Object.entries(outputs)) results[name] = await output.read();
  return results;
}
