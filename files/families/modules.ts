// The linear modules of a decoder layer that a LoRA may extend: their order, their groups and their shapes.

/** What of a model's config the shapes come from. */
interface LayerSizes {
  hiddenSize: number;
  intermediateSize: number;
  numHeads: number;
  numKvHeads: number;
  headDim: number;
}

export type LoraModuleName = "q_proj" | "k_proj" | "v_proj" | "o_proj" | "gate_proj" | "up_proj" | "down_proj";
export type LoraGroup = "qkv" | "o" | "gateUp" | "down";

/**
 * Modules by the launch that computes them, in the order their rows are joined there. Groups stand in the order a layer
 * runs them; an adapter's run on the device begins with one header a module in this same order.
 */
export const LORA_GROUPS = {
  qkv: ["q_proj", "k_proj", "v_proj"],
  o: ["o_proj"],
  gateUp: ["gate_proj", "up_proj"],
  down: ["down_proj"],
} as const satisfies Record<LoraGroup, readonly LoraModuleName[]>;

/** All modules, group by group. */
export const LORA_MODULES: readonly LoraModuleName[] = Object.values(LORA_GROUPS).flat();

/** Index in LORA_MODULES of a group's first module; its others follow. */
export function firstModule(group: LoraGroup): number {
  return LORA_MODULES.indexOf(LORA_GROUPS[group][0]);
}

/** Output rows of each module of a group. */
export function groupRows(config: LayerSizes, group: LoraGroup): number[] {
  return LORA_GROUPS[group].map((module) => moduleShape(config, module)[0]);
}

/** [out, in] of a module's weight. */
export function moduleShape(config: LayerSizes, module: LoraModuleName): [out: number, inp: number] {
  const attention = config.numHeads * config.headDim;
  const kv = config.numKvHeads * config.headDim;
  switch (module) {
    case "q_proj":
      return [attention, config.hiddenSize];
    case "k_proj":
    case "v_proj":
      return [kv, config.hiddenSize];
    case "o_proj":
      return [config.hiddenSize, attention];
    case "gate_proj":
    case "up_proj":
      return [config.intermediateSize, config.hiddenSize];
    case "down_proj":
      return [config.hiddenSize, config.intermediateSize];
  }
}
