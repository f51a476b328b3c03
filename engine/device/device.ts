// The one door to what computes: memory, programs, and a queue. engine/gpu and engine/cpu stand behind it; the model, the
// runner and training know nothing else of them.

import type { Launch as KernelLaunch } from "../../shaders/kernel.ts";
import type { StepShape } from "../../shaders/step.ts";
import type { View } from "./memory.ts";

export type Launch<Shape = StepShape> = KernelLaunch<View, Shape>;

/** Launches that are compiled and bound; only the device that prepared it can run it. */
export interface Program<Shape = StepShape> {
  /** Launches that a step of this shape runs. */
  count(shape: Shape): number;
}

/** What cannot be exceeded. */
export interface DeviceLimits {
  /** Most bytes that one view can have in a launch. */
  readonly viewBytes: number;
}

/** What a device does best: the defaults that follow from it. */
export interface DeviceWishes {
  /** Bytes for KV and adapters together. */
  readonly poolBytes: number;
  /** Steps that may be queued behind the one that runs. */
  readonly stepsAhead: number;
  /** Whether many tokens' adapters are sorted into segments; else each token gathers its own. */
  readonly segments: boolean;
  /** Rows of weights that lie together: 1, or the height of a panel (files/weights/stored/pack_panels.ts). */
  readonly panelRows: 1 | 8;
  /** Whether the programs of usual steps are prepared when the engine loads, so that no request waits for them. */
  readonly preparesAhead: boolean;
  /** Whether quantised weights can meet int8 activations. */
  readonly int8Activations: boolean;
}

/**
 * Work is done in the order it was asked for: a write, a copy or a program that is asked for later sees all that was asked
 * for before it. Views belong to the device that allocated them and live until `free` or `close`.
 */
export interface Device {
  /** "gpu", "cpu": for reports and messages only; what the engine decides by stands in `wishes`. */
  readonly kind: "gpu" | "cpu";
  /** What computes, in words. */
  readonly description: string;
  readonly limits: DeviceLimits;
  readonly wishes: DeviceWishes;
  /** Bytes allocated now. */
  readonly bytes: number;

  /**
   * Memory of at least `bytes` bytes, all zero.
   * @throws MoloraError `gpu_limit` above what a view or the device can hold
   */
  allocate(label: string, bytes: number, use?: "storage" | "uniform"): View;

  /** Copies `data` into the view, from byte `at` on. `data` may be used again on return. */
  write(view: View, data: ArrayBufferView<ArrayBuffer>, at?: number): void;

  /** Sets the view's bytes to zero. */
  zero(view: View): void;

  /** Copies the smaller of the two sizes. */
  copy(from: View, to: View): void;

  /** Compiles what is new and binds the views. @throws MoloraError `shader_failed` */
  prepare<Shape>(launches: readonly Launch<Shape>[]): Promise<Program<Shape>>;

  /**
   * Queues the programs one after another, then the copies of `read`, and returns. The promise is for the bytes of the
   * views in `read`, side by side, and settles when all of it is done. A failure is told to this promise alone; that of a run
   * without `read`, whose promise nobody need await, to whoever asks for bytes or waits for idleness next.
   * @throws MoloraError `gpu_lost`, as a rejection
   */
  run<Shape>(programs: readonly Program<Shape>[], shape: Shape, read?: readonly View[]): Promise<ArrayBuffer>;

  /** Resolves when all that was asked for so far is done. */
  idle(): Promise<void>;

  /** Gives back what a program holds beside its views. Nothing that still runs may use it. */
  discard<Shape>(program: Program<Shape>): void;

  /** Gives the memory back. Nothing that still runs may use it. */
  free(view: View): void;

  /** Frees everything that was allocated. Nothing can be asked of the device any more. */
  close(): Promise<void>;
}

/** Memory that starts with `data`. */
export function allocateFrom(device: Device, label: string, data: ArrayBufferView<ArrayBuffer>): View {
  const view = device.allocate(label, data.byteLength);
  device.write(view, data);
  return view;
}

/** The bytes of a view, when all that was asked for so far is done. */
export function readView(device: Device, view: View): Promise<ArrayBuffer> {
  return device.run([], undefined, [view]);
}
