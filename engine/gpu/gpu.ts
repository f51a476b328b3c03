// The device as molora sees it: a GPUDevice, what kind of adapter it is, and its pipeline cache.
// It knows nothing of models; where the device came from (Dawn, a browser) is decided above.

import { PipelineCache } from "./pipelines.ts";

/**
 * Which body of a kernel to build. Software adapters pay per load and per barrier, so each thread walks its own row;
 * hardware adapters want coalesced loads and workgroup reductions.
 */
export type Body = "rowPerThread" | "workgroupPerRows";

export interface GpuOptions {
  device: GPUDevice;
  /** A CPU posing as a GPU (lavapipe, SwiftShader). */
  isSoftware: boolean;
  /** Gives the text at a shader's URL: a file read in Node, a fetch in a browser. */
  readText: (url: string) => Promise<string>;
  /** Default: by `isSoftware`. Tests choose the other one to check it anywhere. */
  body?: Body;
}

export class Gpu {
  readonly device: GPUDevice;
  readonly queue: GPUQueue;
  readonly limits: GPUSupportedLimits;
  readonly isSoftware: boolean;
  readonly body: Body;
  readonly pipelines: PipelineCache;

  constructor(options: GpuOptions) {
    this.device = options.device;
    this.queue = options.device.queue;
    this.limits = options.device.limits;
    this.isSoftware = options.isSoftware;
    this.body = options.body ?? (options.isSoftware ? "rowPerThread" : "workgroupPerRows");
    this.pipelines = new PipelineCache(options.device, options.readText);
  }
}

/** Whether eight lanes can hand loads around: narrower subgroups (SwiftShader's) cannot. */
export function sharesLoads(gpu: Pick<Gpu, "device">): boolean {
  const { features, adapterInfo } = gpu.device;
  return features.has("subgroups") && (adapterInfo?.subgroupMinSize ?? 0) >= 8;
}
