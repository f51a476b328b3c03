// A GPU behind the device's door: buffers, pipelines, one queue.
// Where the GPUDevice came from (Dawn, a browser) is decided above.

import { MoloraError } from "../../proto/errors.ts";
import { alignUp } from "../../shaders/alignment.ts";
import type { GpuTraits, Grid } from "../../shaders/kernel.ts";
import type { Device, DeviceLimits, DeviceWishes, Launch, Program } from "../device/device.ts";
import type { View } from "../device/memory.ts";
import { type Pipeline, PipelineCache } from "./pipelines.ts";
import { ReadbackRing } from "./readback.ts";

export interface GpuOptions {
  device: GPUDevice;
  description: string;
  /** A CPU posing as a GPU (lavapipe, SwiftShader): it has the host's memory and cores. */
  isSoftware: boolean;
  /** Gives the text at a shader's URL: a file read in Node, a fetch in a browser. */
  readText: (url: string) => Promise<string>;
  /** Default: whether the device has subgroups. Tests turn them off to check kernels without them. */
  subgroups?: boolean;
  /** Frees the GPUDevice, where it is this device's own. */
  onClose?: () => void;
}

interface Bound<Shape> {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly grid: (shape: Shape) => Grid;
}

class GpuProgram<Shape> implements Program<Shape> {
  readonly launches: readonly Bound<Shape>[];

  constructor(launches: readonly Bound<Shape>[]) {
    this.launches = launches;
  }

  count(shape: Shape): number {
    return this.launches.filter(({ grid }) => grid(shape).every((side) => side > 0)).length;
  }
}

const MB = 2 ** 20;

export class GpuDevice implements Device {
  readonly kind = "gpu";
  readonly description: string;
  readonly limits: DeviceLimits;
  readonly wishes: DeviceWishes;
  readonly #device: GPUDevice;
  readonly #traits: GpuTraits;
  readonly #pipelines: PipelineCache;
  readonly #readbacks: ReadbackRing;
  readonly #onClose: (() => void) | undefined;
  readonly #owned = new Set<GPUBuffer>();
  #bytes = 0;

  constructor({ device, description, isSoftware, readText, subgroups, onClose }: GpuOptions) {
    this.description = description;
    this.limits = { viewBytes: device.limits.maxStorageBufferBindingSize };
    this.wishes = {
      poolBytes: (isSoftware ? 256 : 2048) * MB,
      // Where host and device share the cores, running ahead gains nothing and wastes a step at each end.
      stepsAhead: isSoftware ? 0 : 1,
      tiles: true,
      // On a software adapter that would take longer than the first request saves.
      preparesAhead: !isSoftware,
      panelRows: 1,
      int8Activations: false,
    };
    this.#device = device;
    this.#traits = { subgroups: subgroups ?? device.features.has("subgroups") };
    this.#pipelines = new PipelineCache(device, readText);
    this.#readbacks = new ReadbackRing(device, isSoftware);
    this.#onClose = onClose;
  }

  get bytes(): number {
    return this.#bytes;
  }

  allocate(label: string, bytes: number, use: "storage" | "uniform" = "storage"): View {
    const size = Math.max(16, alignUp(bytes, 16));
    if (size > this.limits.viewBytes) {
      throw new MoloraError(
        "gpu_limit",
        `${label}: ${size} bytes, this device binds at most ${this.limits.viewBytes}`,
        {
          remedy: "Use a smaller context, batch or model, or a device with a larger binding limit.",
        },
      );
    }
    const uniform = use === "uniform" ? GPUBufferUsage.UNIFORM : 0;
    const usage = uniform | GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const buffer = this.#device.createBuffer({ label, size, usage });
    this.#owned.add(buffer);
    this.#bytes += size;
    return { buffer, offset: 0, size };
  }

  write(view: View, data: ArrayBufferView<ArrayBuffer>, at = 0): void {
    this.#device.queue.writeBuffer(bufferOf(view), view.offset + at, data.buffer, data.byteOffset, data.byteLength);
  }

  zero(view: View): void {
    this.#encode((encoder) => encoder.clearBuffer(bufferOf(view), view.offset, view.size));
  }

  copy(from: View, to: View): void {
    const size = Math.min(from.size, to.size);
    this.#encode((encoder) => encoder.copyBufferToBuffer(bufferOf(from), from.offset, bufferOf(to), to.offset, size));
  }

  async prepare<Shape>(launches: readonly Launch<Shape>[]): Promise<Program<Shape>> {
    return new GpuProgram(await Promise.all(launches.map((launch) => this.#bind(launch))));
  }

  run<Shape>(programs: readonly Program<Shape>[], shape: Shape, read: readonly View[] = []): Promise<ArrayBuffer> {
    const encoder = this.#device.createCommandEncoder();
    const launches = programs.flatMap((program) => (program as GpuProgram<Shape>).launches);
    if (launches.length > 0) encodePass(encoder, launches, shape);
    const readback = read.length > 0 ? this.#readbacks.copy(encoder, read) : undefined;
    this.#device.queue.submit([encoder.finish()]);
    return readback === undefined ? this.idle().then(() => new ArrayBuffer(0)) : readback.take();
  }

  async idle(): Promise<void> {
    await this.#readbacks.settled(this.#device.queue.onSubmittedWorkDone());
  }

  /** Bind groups hold nothing of their own. */
  discard(): void {}

  free(view: View): void {
    const buffer = bufferOf(view);
    if (!this.#owned.delete(buffer)) return;
    this.#bytes -= buffer.size;
    buffer.destroy();
  }

  async close(): Promise<void> {
    for (const buffer of this.#owned) buffer.destroy();
    this.#owned.clear();
    this.#bytes = 0;
    this.#readbacks.destroy();
    this.#onClose?.();
  }

  async #bind<Shape>({ kernel, facts, views }: Launch<Shape>): Promise<Bound<Shape>> {
    const body = kernel.wgsl(facts, this.#traits);
    const { pipeline, layout, names }: Pipeline = await this.#pipelines.get(kernel, facts, body);
    const entries = names.map((name, binding) => {
      const view = views[name];
      if (view === undefined) throw new MoloraError("internal", `${kernel.name}: nothing is given for ${name}`);
      return { binding, resource: { buffer: bufferOf(view), offset: view.offset, size: view.size } };
    });
    return { pipeline, group: this.#device.createBindGroup({ label: kernel.name, layout, entries }), grid: body.grid };
  }

  #encode(work: (encoder: GPUCommandEncoder) => void): void {
    const encoder = this.#device.createCommandEncoder();
    work(encoder);
    this.#device.queue.submit([encoder.finish()]);
  }
}

function encodePass<Shape>(encoder: GPUCommandEncoder, launches: readonly Bound<Shape>[], shape: Shape): void {
  const pass = encoder.beginComputePass();
  let bound: GPUComputePipeline | undefined;
  for (const { pipeline, group, grid } of launches) {
    const [x, y, z] = grid(shape);
    if (x === 0 || y === 0 || z === 0) continue;
    if (pipeline !== bound) pass.setPipeline(pipeline);
    bound = pipeline;
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(x, y, z);
  }
  pass.end();
}

/** Views of this device hold buffers that it made. */
function bufferOf({ buffer }: View): GPUBuffer {
  return buffer as GPUBuffer;
}
