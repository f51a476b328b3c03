// Names of what an adapter's files state of a base's own experts, in each of the shapes that PEFT, llama.cpp and mlx-lm save.

import type { ModelConfig } from "../families/config.ts";
import { expertsOf } from "../families/facts.ts";
import { familyOf } from "../families/registry.ts";
import { type EXPERT_MODULES, expertRouterTensor, expertTensor } from "../families/tensor_names.ts";
import { unwrap } from "./prefixes.ts";

type Half = "A" | "B";
type ExpertModuleName = (typeof EXPERT_MODULES)[number];

/**
 * linear: one expert's own linear layer, as transformers 4 keeps it. stacked: of all experts together, as bare parameters of
 * transformers 5, `depth` wrappers below the outermost. together: one module's of all experts, in tensors of three dimensions,
 * as llama.cpp and mlx-lm have it. router: what chooses among them.
 */
export type ExpertName =
  | { kind: "linear"; layer: number; expert: number; module: ExpertModuleName; half: Half }
  | { kind: "stacked"; layer: number; depth: number; half: Half }
  | { kind: "together"; layer: number; module: ExpertModuleName; half: Half }
  | { kind: "router"; layer: number; half: Half };

const HALF = String.raw`lora_([AB])(?:\.[^.]+)?\.weight$`;
const LINEAR = new RegExp(String.raw`^layers\.(\d+)\.mlp\.experts\.(\d+)\.(gate|up|down)_proj\.${HALF}`);
const STACKED = new RegExp(String.raw`^layers\.(\d+)\.mlp\.experts\.((?:base_layer\.)*)${HALF}`);
const TOGETHER = /^layers\.(\d+)\.mlp\.(?:experts|switch_mlp)\.(gate|up|down)_proj\.lora_([ab])$/;
const ROUTER = new RegExp(String.raw`^layers\.(\d+)\.mlp\.gate\.(?:${HALF}|lora_([ab])$)`);

/** Undefined for a name of anything else, or of a layer without experts. */
export function parseExpertName(name: string, config: ModelConfig): ExpertName | undefined {
  const { inner } = unwrap(name);
  const parsed = parse(inner);
  if (parsed === undefined || parsed.layer >= config.numLayers) return undefined;
  const experts = expertsOf(config, parsed.layer);
  if (experts === undefined || (parsed.kind === "linear" && parsed.expert >= experts.count)) return undefined;
  return parsed;
}

function parse(inner: string): ExpertName | undefined {
  const linear = LINEAR.exec(inner);
  if (linear !== null) {
    const [, layer, expert, module, half] = linear;
    const name = `${module}_proj` as ExpertModuleName;
    return { kind: "linear", layer: Number(layer), expert: Number(expert), module: name, half: half as Half };
  }
  const stacked = STACKED.exec(inner);
  if (stacked !== null) {
    const [, layer, wrappers, half] = stacked;
    return { kind: "stacked", layer: Number(layer), depth: wrappers.split(".").length - 1, half: half as Half };
  }
  const together = TOGETHER.exec(inner);
  if (together !== null) {
    const [, layer, module, half] = together;
    return { kind: "together", layer: Number(layer), module: `${module}_proj` as ExpertModuleName, half: halfOf(half) };
  }
  const router = ROUTER.exec(inner);
  return router === null
    ? undefined
    : { kind: "router", layer: Number(router[1]), half: halfOf(router[2] ?? router[3]) };
}

function halfOf(letter: string): Half {
  return letter.toUpperCase() as Half;
}

/** Paths that a configuration's patterns are held against. */
export function expertPaths(config: ModelConfig, layer: number) {
  const family = familyOf(config);
  const without = (name: string, end: string) => name.slice(0, name.length - end.length);
  const router = expertRouterTensor(family, layer);
  const experts = without(expertTensor(family, layer, 0, "gate_proj"), ".0.gate_proj.weight");
  return {
    router: without(router, ".weight"),
    routerParameter: router,
    gateUp: `${experts}.gate_up_proj`,
    down: `${experts}.down_proj`,
    together: (module: ExpertModuleName) => `${experts}.${module}`,
    linear: (expert: number, module: ExpertModuleName) =>
      without(expertTensor(family, layer, expert, module), ".weight"),
  };
}
