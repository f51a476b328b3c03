// What the base's linear modules are given on some texts: the inputs that a merge can be judged by.

import { type Device, readView } from "../engine/device/device.ts";
import { subView, type View } from "../engine/device/memory.ts";
import { LORA_GROUPS, type LoraModuleName } from "../files/families/modules.ts";
import { familyOf } from "../files/families/registry.ts";
import { modulePath } from "../files/families/tensor_names.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import { LoraStack } from "./backward/lora_stack.ts";
import { TrainingModel, type TrainingParts } from "./backward/model.ts";
import type { TrainingWorkspace } from "./backward/workspace.ts";
import { cutBatch, type TrainingText, weighted } from "./training_texts.ts";

/** Column t holds token t's input: [in, tokens], row-major float64. */
export interface ModuleInputs {
  rows: number;
  cols: number;
  data: Float64Array;
}

/** Tokens that are kept: more would say little more of one factor an adapter and matrix. */
const MOST_TOKENS = 256;

/**
 * Inputs by the path of every module that an adapter extends, in a base without adapters.
 *
 * @throws MoloraError as TrainingModel.create
 */
export async function moduleInputs(
  device: Device,
  parts: Pick<TrainingParts, "config" | "weights" | "capacity"> & { adapters: readonly Adapter[] },
  texts: readonly TrainingText[],
): Promise<Map<string, ModuleInputs>> {
  const { config, adapters, capacity } = parts;
  const layers = adapters.map((adapter) => adapter.layers);
  const stack = new LoraStack(device, config, layers, false);
  stack.weigh(await stack.parameters.read(), () => 0);
  const model = await TrainingModel.create(device, { ...parts, stack });
  const family = familyOf(config);
  const [piece] = cutBatch(weighted(texts), capacity);
  const tokens = Math.min(
    MOST_TOKENS,
    piece.reduce((sum, { ids }) => sum + ids.length, 0),
  );
  const found = new Map<string, ModuleInputs>();
  const read = async (view: View, width: number) =>
    columns(new Float32Array(await readView(device, subView(view, 0, tokens * width * 4))), tokens, width);
  const onLayer = async (layer: number, workspace: TrainingWorkspace) => {
    const modules = new Set(layers.flatMap((adapter) => Object.keys(adapter[layer] ?? {})));
    for (const [group, view, width] of inputViews(workspace, config)) {
      const own = LORA_GROUPS[group].filter((module) => modules.has(module));
      if (own.length === 0) continue;
      const inputs = await read(view, width);
      for (const module of own) found.set(modulePath(family, layer, module as LoraModuleName), inputs);
    }
  };
  await model.run(piece, { backward: true, onLayer });
  return found;
}

function inputViews(
  { attentionInput, attended, mlpInput, activated }: TrainingWorkspace,
  { hiddenSize, numHeads, headDim, intermediateSize }: TrainingParts["config"],
) {
  return [
    ["qkv", attentionInput, hiddenSize],
    ["o", attended, numHeads * headDim],
    ["gateUp", mlpInput, hiddenSize],
    ["down", activated, intermediateSize],
  ] as const;
}

function columns(values: Float32Array, tokens: number, width: number): ModuleInputs {
  const data = new Float64Array(values.length);
  for (let t = 0; t < tokens; t++) for (let i = 0; i < width; i++) data[i * tokens + t] = values[t * width + i];
  return { rows: width, cols: tokens, data };
}
