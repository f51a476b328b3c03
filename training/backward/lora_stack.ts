// Adapters of all experts side by side: for each module the ranks of every expert joined to one A and one Bᵀ, so that a
// token's gates are weights on ranks.

import { allocateFrom, type Device } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import { LORA_MODULES, type LoraModuleName, moduleShape } from "../../files/families/modules.ts";
import type { Adapter, LoraModule } from "../../files/lora/adapter.ts";
import { MoloraError } from "../../proto/errors.ts";
import { alignUp } from "../../shaders/alignment.ts";
import { Parameters } from "../optimizer/parameters.ts";

export type AdapterLayers = Adapter["layers"];

/** One module of one layer. */
export interface StackedModule {
  /** Ranks of all experts, padded to a multiple of 4; padding has scale 0 and stays zero. */
  ranks: number;
  inputs: number;
  outputs: number;
  /** [ranks, inputs] */
  a: View;
  /** Bᵀ, [ranks, outputs] */
  b: View;
  /** [ranks] (expert, scale) */
  owners: View;
  /** Where gradients are added up; undefined where the adapters are frozen. */
  gradients: { a: View; b: View } | undefined;
}

interface Slot {
  expert: number;
  first: number;
  rank: number;
  scale: number;
}

export class LoraStack {
  readonly parameters: Parameters;
  readonly experts: number;
  /** [layer] → the modules that some expert extends there. */
  readonly layers: Partial<Record<LoraModuleName, StackedModule>>[];
  readonly #slots: Partial<Record<LoraModuleName, Slot[]>>[];

  /** `experts`: undefined adds nothing (the base). `trained`: whether A and B have gradients. */
  constructor(device: Device, config: ModelConfig, experts: readonly (AdapterLayers | undefined)[], trained: boolean) {
    this.experts = experts.length;
    this.#slots = Array.from({ length: config.numLayers }, (_, i) => slotsOf(experts, i));
    const tensors = new Map<string, Float32Array>();
    for (const [i, slots] of this.#slots.entries()) {
      for (const module of LORA_MODULES) {
        const here = slots[module];
        if (here === undefined) continue;
        const [outputs, inputs] = moduleShape(config, module);
        const ranks = paddedRanks(here);
        const a = new Float32Array(ranks * inputs);
        const b = new Float32Array(ranks * outputs);
        for (const { expert, first, rank } of here) {
          const lora = experts[expert]![i]![module]!;
          refuseRows(lora, tensorName(i, module, "a"));
          a.set(lora.a, first * inputs);
          b.set(transposed(lora.b, outputs, rank), first * outputs);
        }
        tensors.set(tensorName(i, module, "a"), a);
        tensors.set(tensorName(i, module, "b"), b);
      }
    }
    this.parameters = new Parameters(device, "adapters", tensors, trained);
    this.layers = this.#slots.map((slots, i) =>
      Object.fromEntries(
        Object.entries(slots).map(([name, here]) => {
          const module = name as LoraModuleName;
          const [outputs, inputs] = moduleShape(config, module);
          return [module, this.#place(device, i, module, here, inputs, outputs)];
        }),
      ),
    );
  }

  /** The most ranks each module has over all layers. */
  get mostRanks(): Record<LoraModuleName, number> {
    const most = (module: LoraModuleName) => Math.max(0, ...this.layers.map((layer) => layer[module]?.ranks ?? 0));
    return Object.fromEntries(LORA_MODULES.map((module) => [module, most(module)])) as Record<LoraModuleName, number>;
  }

  /** The lowest layer that some expert extends; the number of layers where none does. */
  get lowestLayer(): number {
    const lowest = this.layers.findIndex((layer) => Object.keys(layer).length > 0);
    return lowest < 0 ? this.layers.length : lowest;
  }

  /** One expert's modules out of tensors read from `parameters` (values or gradients). */
  unstack(tensors: ReadonlyMap<string, Float32Array>, expert: number): AdapterLayers {
    return this.#slots.map((slots, i) => {
      const layer: Partial<Record<LoraModuleName, LoraModule>> = {};
      for (const module of LORA_MODULES) {
        const slot = slots[module]?.find((one) => one.expert === expert);
        const stacked = this.layers[i]![module];
        if (slot === undefined || stacked === undefined) continue;
        const { first, rank, scale } = slot;
        const rows = (part: "a" | "b", width: number) =>
          tensors.get(tensorName(i, module, part))!.slice(first * width, (first + rank) * width);
        const b = transposed(rows("b", stacked.outputs), rank, stacked.outputs);
        layer[module] = { rank, scale, a: rows("a", stacked.inputs), b };
      }
      return layer;
    });
  }

  /** A of every expert's module becomes its `originals` times a factor; B and scales stay. */
  weigh(
    originals: ReadonlyMap<string, Float32Array>,
    factor: (layer: number, module: LoraModuleName, expert: number) => number,
  ): void {
    const weighed = new Map<string, Float32Array>();
    this.#eachSlot(originals, (name, a, { layer, module, expert, from, to }) => {
      const out = weighed.get(name) ?? a.slice();
      const by = factor(layer, module, expert);
      for (let i = from; i < to; i++) out[i] = by * a[i];
      weighed.set(name, out);
    });
    this.parameters.write(weighed);
  }

  /** ⟨gradient of A, original A⟩ of every expert's module: the gradient of the factor that `weigh` gave it. */
  responses(
    originals: ReadonlyMap<string, Float32Array>,
    gradients: ReadonlyMap<string, Float32Array>,
  ): { layer: number; module: LoraModuleName; expert: number; value: number }[] {
    const found: { layer: number; module: LoraModuleName; expert: number; value: number }[] = [];
    this.#eachSlot(originals, (name, a, { layer, module, expert, from, to }) => {
      const gradient = gradients.get(name)!;
      let value = 0;
      for (let i = from; i < to; i++) value += gradient[i] * a[i];
      found.push({ layer, module, expert, value });
    });
    return found;
  }

  #eachSlot(
    tensors: ReadonlyMap<string, Float32Array>,
    visit: (
      name: string,
      a: Float32Array,
      at: { layer: number; module: LoraModuleName; expert: number; from: number; to: number },
    ) => void,
  ): void {
    for (const [layer, modules] of this.#slots.entries()) {
      for (const module of LORA_MODULES) {
        for (const { expert, first, rank } of modules[module] ?? []) {
          const name = tensorName(layer, module, "a");
          const { inputs } = this.layers[layer][module]!;
          visit(name, tensors.get(name)!, { layer, module, expert, from: first * inputs, to: (first + rank) * inputs });
        }
      }
    }
  }

  #place(
    device: Device,
    layer: number,
    module: LoraModuleName,
    slots: readonly Slot[],
    inputs: number,
    outputs: number,
  ): StackedModule {
    const ranks = paddedRanks(slots);
    const owners = new Float32Array(2 * ranks);
    for (const { expert, first, rank, scale } of slots) {
      for (let r = first; r < first + rank; r++) owners.set([expert, scale], 2 * r);
    }
    const [a, b] = [tensorName(layer, module, "a"), tensorName(layer, module, "b")];
    const gradient = this.parameters.gradient(a);
    return {
      ranks,
      inputs,
      outputs,
      a: this.parameters.value(a),
      b: this.parameters.value(b),
      owners: allocateFrom(device, `${module} owners`, owners),
      gradients: gradient && { a: gradient, b: this.parameters.gradient(b)! },
    };
  }
}

/** Gradients go through A and B alone. */
function refuseRows({ rows, unsettled }: LoraModule, place: string): void {
  if (rows === undefined && unsettled === undefined) return;
  throw new MoloraError("adapter_unsupported", `${place}: nothing is trained through a DoRA or trained biases`, {
    remedy: "Take plain LoRA adapters, or another objective: domain and distill run adapters forward only.",
  });
}

function tensorName(layer: number, module: LoraModuleName, part: "a" | "b"): string {
  return `layers.${layer}.${module}.${part}`;
}

function slotsOf(
  experts: readonly (AdapterLayers | undefined)[],
  layer: number,
): Partial<Record<LoraModuleName, Slot[]>> {
  const found: Partial<Record<LoraModuleName, Slot[]>> = {};
  for (const module of LORA_MODULES) {
    let first = 0;
    const slots = experts.flatMap((adapter, expert) => {
      const lora = adapter?.[layer]?.[module];
      if (lora === undefined) return [];
      const slot = { expert, first, rank: lora.rank, scale: lora.scale };
      first += lora.rank;
      return [slot];
    });
    if (slots.length > 0) found[module] = slots;
  }
  return found;
}

function paddedRanks(slots: readonly Slot[]): number {
  return alignUp(
    slots.reduce((sum, { rank }) => sum + rank, 0),
    4,
  );
}

/** [rows, cols] to [cols, rows]. */
function transposed(matrix: Float32Array, rows: number, cols: number): Float32Array {
  const out = new Float32Array(matrix.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = matrix[r * cols + c]!;
  return out;
}
