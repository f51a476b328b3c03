// Packs what an adapter adds to a layer's own experts into its run of that layer, as f32 whatever its other factors are held in;
// the layout is shaders/experts/shrink_experts.wgsl's.

import type { ExpertLayer, LoraModule } from "../../files/lora/adapter.ts";
import { MoloraError } from "../../proto/errors.ts";
import { EXPERT_HEADERS, EXPERT_PARTS } from "../../shaders/experts/expert_lora.ts";

/** Above it, floats no longer hold every offset. */
const MOST_VEC4S = 2 ** 24;

/** vec4s of it, headers included. */
export function expertVec4s(layer: ExpertLayer): number {
  const parts = partsOf(layer);
  const shared = new Set(parts.map(({ module }) => module.a));
  const a = [...shared].reduce((sum, { length }) => sum + length / 4, 0);
  const end = parts.reduce((sum, { module }) => sum + bVec4s(module), EXPERT_PARTS.length + a);
  if (end < MOST_VEC4S) return end;
  throw new MoloraError("adapter_unsupported", `an adapter's experts take ${16 * end} bytes in one layer`, {
    remedy: `At most ${16 * MOST_VEC4S} are placed: take a lower rank.`,
  });
}

/** Writes headers and matrices from vec4 `at` of a run on, and says where they are. Gives the vec4 behind them. */
export function packExperts(run: Float32Array<ArrayBuffer>, at: number, layer: ExpertLayer): number {
  run[4 * EXPERT_HEADERS + 1] = at;
  let next = at + EXPERT_PARTS.length;
  const placed = new Map<Float32Array, number>();
  for (const { index, module } of partsOf(layer)) {
    let offsetA = placed.get(module.a);
    if (offsetA === undefined) {
      offsetA = next;
      placed.set(module.a, next);
      run.set(module.a, 4 * next);
      next += module.a.length / 4;
    }
    run.set([offsetA, next, module.rank, 0], 4 * (at + index));
    packB(run, 4 * next, module);
    next += bVec4s(module);
  }
  return next;
}

function partsOf(layer: ExpertLayer): { index: number; module: LoraModule }[] {
  return EXPERT_PARTS.flatMap((part, index) => (layer[part] === undefined ? [] : [{ index, module: layer[part] }]));
}

function bVec4s({ b, rank }: LoraModule): number {
  return (b.length / rank) * Math.ceil(rank / 4);
}

/** Rows of whole vec4s, with the scale in them. `offset`: floats. */
function packB(run: Float32Array, offset: number, { b, rank, scale }: LoraModule): void {
  const stride = 4 * Math.ceil(rank / 4);
  const rows = rank === 0 ? 0 : b.length / rank;
  for (let row = 0; row < rows; row++) {
    for (let r = 0; r < rank; r++) run[offset + row * stride + r] = scale * b[row * rank + r]!;
  }
}
