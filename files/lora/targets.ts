// Which modules of a base an adapter's configuration means, by PEFT's rules of matching.
// A module is its path ("model.layers.3.self_attn.q_proj").

import type { ModelConfig } from "../families/config.ts";
import { expertsOf } from "../families/facts.ts";
import { LORA_GROUPS, LORA_MODULES, type LoraModuleName, moduleShape } from "../families/modules.ts";
import { familyOf } from "../families/registry.ts";
import { modulePath } from "../families/tensor_names.ts";
import type { Pattern } from "./pattern.ts";

/** Modules named by a regular expression for the whole path, or by paths and their dotted endings. */
export type ModuleSelection = { kind: "pattern"; pattern: Pattern } | { kind: "names"; names: ReadonlySet<string> };

/** What target_modules, exclude_modules, layers_to_transform and layers_pattern say together. */
export interface Targets {
  select: ModuleSelection;
  exclude: ModuleSelection | undefined;
  /** Layers, or undefined for all. */
  layers: ReadonlySet<number> | undefined;
  /** For each entry of layers_pattern a pattern for the path up to and with the layer's number; empty: any path. */
  layerPatterns: readonly Pattern[];
}

/** A place in the base that a LoRA can extend: a module, or several that the base keeps in one matrix. */
export interface ModulePlace {
  layer: number;
  modules: readonly LoraModuleName[];
  path: string;
}

const MLP: ReadonlySet<LoraModuleName> = new Set([...LORA_GROUPS.gateUp, ...LORA_GROUPS.down]);

/** Every place of a base, layer by layer. The matrices of a layer's own experts are none. */
export function modulePlaces(config: ModelConfig): ModulePlace[] {
  const family = familyOf(config);
  const { layer: prefix, fused = [] } = family.tensors;
  const alone = LORA_MODULES.filter((module) => !fused.some(({ modules }) => modules.includes(module)));
  return Array.from({ length: config.numLayers }, (_, layer) =>
    [
      ...fused.map(({ hf, modules }) => ({ layer, modules, path: `${prefix.hf}${layer}.${hf}` })),
      ...alone.map((module) => ({ layer, modules: [module], path: modulePath(family, layer, module) })),
    ].filter(({ modules }) => expertsOf(config, layer) === undefined || !modules.some((one) => MLP.has(one))),
  ).flat();
}

/** [out, in] of a place's matrix. */
export function placeShape(config: ModelConfig, { modules }: ModulePlace): [out: number, inp: number] {
  const shapes = modules.map((module) => moduleShape(config, module));
  return [shapes.reduce((sum, [out]) => sum + out, 0), shapes[0][1]];
}

/** PEFT's `check_target_module_exists`. */
export function isTargeted(targets: Targets, path: string): boolean {
  if (targets.exclude !== undefined && selects(targets.exclude, path)) return false;
  if (!selects(targets.select, path)) return false;
  // As in PEFT, only names that are dotted endings are narrowed to layers; a whole path says its layer itself.
  const exact = targets.select.kind === "pattern" || targets.select.names.has(path);
  return exact || inLayers(targets, path);
}

function selects(selection: ModuleSelection, path: string): boolean {
  if (selection.kind === "pattern") return selection.pattern.matchesWhole(path);
  if (selection.names.has(path)) return true;
  for (let dot = path.indexOf("."); dot !== -1; dot = path.indexOf(".", dot + 1)) {
    if (selection.names.has(path.slice(dot + 1))) return true;
  }
  return false;
}

function inLayers({ layers, layerPatterns }: Targets, path: string): boolean {
  if (layers === undefined) return true;
  const numbered = /^.*?\.[^.]*\.(\d+)\./.exec(path);
  if (numbered === null || !layers.has(Number(numbered[1]))) return false;
  return layerPatterns.length === 0 || layerPatterns.some((pattern) => pattern.matchesWhole(numbered[0]));
}

/** The value of the first pattern that fits the path or a dotted ending of it (PEFT's `get_pattern_key`). */
export function valueFor<T>(entries: readonly (readonly [Pattern, T])[], path: string, otherwise: T): T {
  return entries.find(([pattern]) => pattern.matchesSuffix(path))?.[1] ?? otherwise;
}
