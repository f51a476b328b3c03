// Puts launches of training kernels together over one step's uniform.

import type { Device, Launch } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import type { LinearWeights } from "../../engine/model/linear_weights.ts";
import { type Kernel, launch, type Views } from "../../shaders/kernel.ts";
import { linear } from "../../shaders/layer/linear.ts";
import { backwardLinear, type Strip } from "../../shaders/training/backward_linear.ts";
import { projectBack } from "../../shaders/training/project_back.ts";
import { SIZES_BYTES, type SizedKernel } from "../../shaders/training/sizes.ts";

/** What stands in where a kernel is built not to use a binding: `spare` for reading, `sink` for writing. */
export interface Fillers {
  spare: View;
  sink: View;
}

export class Launcher {
  readonly #device: Device;
  readonly #step: View;
  readonly fillers: Fillers;
  /** By their words: launches of equal sizes share one. */
  readonly #sizes = new Map<string, View>();

  constructor(device: Device, step: View, fillers: Fillers) {
    this.#device = device;
    this.#step = step;
    this.fillers = fillers;
  }

  launch<Facts>(kernel: Kernel<Facts> | SizedKernel<Facts>, facts: Facts, views: Views<View>): Launch {
    const sizes = "sizes" in kernel ? { sizes: this.#uniform(Object.values(kernel.sizes(facts))) } : {};
    return launch(kernel, facts, { step: this.#step, ...sizes, ...views });
  }

  /** y = W x in f32 activations, for steps of about `tokens` tokens. x: [T, cols], y: [T, rows]. */
  linear({ rows, cols, shards }: LinearWeights, x: View, y: View, tokens: number): Launch[] {
    return shards.map(({ format, quants, scales, ...shard }) =>
      this.launch(linear, { format, rows, cols, shard, activations: "f32", tokens }, { quants, scales, x, y }),
    );
  }

  /** dx = Wᵀ dy. dy: [T, rows], dx: [T, cols]. */
  backwardLinear({ rows, cols, shards }: LinearWeights, dy: View, dx: View): Launch[] {
    return shards.map(({ format, quants, scales, firstRow, rows: count }, n) => {
      const strips = { dy: { stride: rows, offset: firstRow }, dx: { stride: cols, offset: 0 } };
      return this.launch(
        backwardLinear,
        { format, rows: count, cols, ...strips, add: n > 0 },
        { quants, scales, dy, dx },
      );
    });
  }

  /** dx (+)= Wᵀ dy for an f32 matrix [rows, cols]. Default: dx is [T, cols] and added to. */
  transposed(
    { rows, cols }: { rows: number; cols: number },
    views: { weight: View; dy: View; dx: View },
    { strip = { stride: cols, offset: 0 }, add = true }: { strip?: Strip; add?: boolean } = {},
  ): Launch {
    return this.launch(projectBack, { rows, cols, dx: strip, add }, views);
  }

  #uniform(words: readonly number[]): View {
    const key = words.join();
    let view = this.#sizes.get(key);
    if (view === undefined) {
      view = this.#device.allocate("sizes", SIZES_BYTES, "uniform");
      this.#device.write(view, Uint32Array.from(words));
      this.#sizes.set(key, view);
    }
    return view;
  }
}
