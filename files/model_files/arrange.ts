// A model's tensors as its family's modules: fused matrices and those of all experts cut into their parts, norms stored less 1 made whole.

import type { ModelConfig } from "../families/config.ts";
import { expertsOf } from "../families/facts.ts";
import type { Family } from "../families/family.ts";
import { moduleShape } from "../families/modules.ts";
import { familyOf } from "../families/registry.ts";
import { allExpertsTensor, EXPERT_MODULES, expertTensor, moduleTensor } from "../families/tensor_names.ts";
import { MatrixSlice } from "../weights/matrix_slice.ts";
import { PlusOne } from "../weights/plus_one.ts";
import { RowSlice } from "../weights/row_slice.ts";
import type { StoredTensor, TensorSource } from "../weights/tensor.ts";

/** `source` under the names that `expectedTensors` has. GGUF files hold whole norms, whatever the family. */
export function arrangeTensors(config: ModelConfig, source: TensorSource, from: "safetensors" | "gguf"): TensorSource {
  const family = familyOf(config);
  const lessOne = from === "safetensors" && family.config.normsLessOne === true;
  if (family.tensors.fused === undefined && config.experts === undefined && !lessOne) return source;
  const tensors = new Map(source.tensors);
  if (lessOne) for (const name of normNames(config, family)) replace(tensors, name, (stored) => new PlusOne(stored));
  for (let layer = 0; layer < config.numLayers; layer++) {
    cutFused(config, family, layer, tensors);
    if (expertsOf(config, layer) !== undefined) cutExperts(family, layer, tensors);
  }
  return { ...source, tensors };
}

function replace(tensors: Map<string, StoredTensor>, name: string, by: (stored: StoredTensor) => StoredTensor): void {
  const stored = tensors.get(name);
  if (stored !== undefined) tensors.set(name, by(stored));
}

function normNames({ numLayers }: ModelConfig, { tensors }: Family): string[] {
  const norms = Object.values(tensors.norms);
  const layers = Array.from({ length: numLayers }, (_, layer) =>
    norms.map(({ hf }) => `${tensors.layer.hf}${layer}.${hf}`),
  );
  return [...layers.flat(), tensors.finalNorm.hf];
}

/** One of a wrong shape is left as it is, so that what is missing is named. */
function cutFused(config: ModelConfig, family: Family, layer: number, tensors: Map<string, StoredTensor>): void {
  for (const { hf, modules } of family.tensors.fused ?? []) {
    const name = `${family.tensors.layer.hf}${layer}.${hf}.weight`;
    const whole = tensors.get(name);
    const rows = modules.map((module) => moduleShape(config, module)[0]);
    const all = rows.reduce((sum, count) => sum + count, 0);
    if (whole?.shape.length !== 2 || whole.shape[0] !== all) continue;
    tensors.delete(name);
    let first = 0;
    for (const [i, module] of modules.entries()) {
      const part = moduleTensor(family, layer, module);
      tensors.set(part, new RowSlice(part, whole, first, rows[i]));
      first += rows[i];
    }
  }
}

/** GGUF files have all experts of a layer in one tensor a module. */
function cutExperts(family: Family, layer: number, tensors: Map<string, StoredTensor>): void {
  for (const module of EXPERT_MODULES) {
    const name = allExpertsTensor(family, layer, module);
    const whole = tensors.get(name);
    if (whole?.shape.length !== 3) continue;
    tensors.delete(name);
    for (let expert = 0; expert < whole.shape[0]; expert++) {
      const part = expertTensor(family, layer, expert, module);
      tensors.set(part, new MatrixSlice(part, whole, expert));
    }
  }
}
