// Builds launches of training kernels over one step's uniform.
// It knows nothing of what they compute.

import type { Buffers, View } from "../../engine/gpu/buffers.ts";
import type { Gpu } from "../../engine/gpu/gpu.ts";
import { type Grid, type Launch, launch } from "../../engine/gpu/program.ts";
import type { LinearWeights } from "../../engine/model/linear_weights.ts";
import type { Build } from "../../shaders/compose.ts";
import { linearGrid, linearPipeline, linearTile } from "../../shaders/linear.ts";
import type { StepShape } from "../../shaders/step.ts";
import { backwardLinear, backwardLinearGrid, type Strip } from "../../shaders/training/backward_linear.ts";
import { projectBack, projectBackGrid } from "../../shaders/training/project_back.ts";
import { SIZES_BYTES, type SizedBuild } from "../../shaders/training/sizes.ts";

export type Launches = Launch<StepShape>[];

/** What stands in where a kernel is built not to use a binding: `spare` for reading, `sink` for writing. */
export interface Fillers {
  spare: View;
  sink: View;
}

export class Launcher {
  readonly #gpu: Gpu;
  readonly #buffers: Buffers;
  readonly #step: View;
  readonly fillers: Fillers;
  /** By their words: launches of equal sizes share one. */
  readonly #sizes = new Map<string, View>();

  constructor(gpu: Gpu, buffers: Buffers, step: View, fillers: Fillers) {
    this.#gpu = gpu;
    this.#buffers = buffers;
    this.#step = step;
    this.fillers = fillers;
  }

  async launch(
    build: Build | SizedBuild,
    grid: (shape: StepShape) => Grid,
    views: Readonly<Record<string, View>>,
  ): Promise<Launch<StepShape>> {
    const sizes = "sizes" in build ? { sizes: this.#uniform(build.sizes) } : {};
    const pipeline = await this.#gpu.pipelines.get(build.kernel, build.constants);
    return launch(this.#gpu, pipeline, { step: this.#step, ...sizes, ...views }, grid);
  }

  /** y = W x in f32 activations, for steps of about `tokens` tokens. x: [T, cols], y: [T, rows]. */
  linear({ format, rows, cols, shards }: LinearWeights, x: View, y: View, tokens: number): Promise<Launches> {
    const tile = linearTile(this.#gpu.body, format, tokens);
    return Promise.all(
      shards.map(async ({ quants, scales, ...shard }) => {
        const facts = { format, rows, cols, shard, activations: "f32", tile } as const;
        const views = { step: this.#step, quants, scales, x, xs: this.fillers.spare, y };
        return launch(this.#gpu, await linearPipeline(this.#gpu, facts), views, linearGrid(this.#gpu, facts));
      }),
    );
  }

  /** dx = Wᵀ dy. dy: [T, rows], dx: [T, cols]. */
  backwardLinear({ format, rows, cols, shards }: LinearWeights, dy: View, dx: View): Promise<Launches> {
    return Promise.all(
      shards.map(({ quants, scales, firstRow, rows: count }, n) => {
        const facts = {
          format,
          rows: count,
          cols,
          dy: { stride: rows, offset: firstRow },
          dx: { stride: cols, offset: 0 },
          add: n > 0,
        };
        return this.launch(backwardLinear(facts), backwardLinearGrid(facts), { quants, scales, dy, dx });
      }),
    );
  }

  /** dx (+)= Wᵀ dy for an f32 matrix [rows, cols]. Default: dx is [T, cols] and added to. */
  transposed(
    { rows, cols }: { rows: number; cols: number },
    views: { weight: View; dy: View; dx: View },
    { strip = { stride: cols, offset: 0 }, add = true }: { strip?: Strip; add?: boolean } = {},
  ): Promise<Launch<StepShape>> {
    return this.launch(projectBack({ rows, cols, dx: strip, add }), projectBackGrid(cols), views);
  }

  #uniform(words: readonly number[]): View {
    const key = words.join();
    let view = this.#sizes.get(key);
    if (view === undefined) {
      view = this.#buffers.uniform("sizes", SIZES_BYTES);
      this.#gpu.queue.writeBuffer(view.buffer, view.offset, Uint32Array.from(words));
      this.#sizes.set(key, view);
    }
    return view;
  }
}
