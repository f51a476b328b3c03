// `--target-modules` and `--layers`: the modules of a base that a new adapter extends.

import { LORA_MODULES, type LoraModuleName } from "../../files/families/modules.ts";
import { MoloraError } from "../../proto/errors.ts";
import { nearest } from "../flags/nearest.ts";

/**
 * Reads `q_proj,v_proj` or `all-linear`.
 *
 * @throws MoloraError `bad_arguments`, naming the nearest module.
 */
export function readModules(text: string): LoraModuleName[] {
  if (text === "all-linear") return [...LORA_MODULES];
  const names = text.split(",").map((name) => name.trim());
  const chosen = new Set(names.map(readModule));
  return LORA_MODULES.filter((module) => chosen.has(module));
}

function readModule(name: string): LoraModuleName {
  const module = LORA_MODULES.find((one) => one === name);
  if (module !== undefined) return module;
  const best = nearest(name, [...LORA_MODULES]);
  throw new MoloraError("bad_arguments", `--target-modules: there is no module "${name}"`, {
    remedy: `${best === undefined ? "" : `Did you mean ${best}? `}Modules are ${LORA_MODULES.join(", ")}, or all-linear.`,
    details: { module: name },
  });
}

/**
 * Reads `0-3,6` as layers of a base that has `count`.
 *
 * @throws MoloraError `bad_arguments`
 */
export function readLayers(text: string, count: number): Set<number> {
  const layers = new Set<number>();
  for (const part of text.split(",")) {
    const range = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part);
    const from = Number(range?.[1] ?? Number.NaN);
    const to = Number(range?.[2] ?? from);
    if (!(from <= to && to < count)) {
      throw new MoloraError("bad_arguments", `--layers: "${part}" means no layers of this model`, {
        remedy: `It has ${count}: write numbers from 0 to ${count - 1} and ranges, as in 0-3,6.`,
      });
    }
    for (let layer = from; layer <= to; layer++) layers.add(layer);
  }
  return layers;
}
