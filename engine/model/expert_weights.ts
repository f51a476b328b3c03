// The weights of a layer's own experts on the device: matrices of several experts lie in one, as many as a binding holds.

import type { ModelConfig } from "../../files/families/config.ts";
import { expertsOf } from "../../files/families/facts.ts";
import { familyOf } from "../../files/families/registry.ts";
import { expertRouterTensor, expertTensor } from "../../files/families/tensor_names.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Device } from "../device/device.ts";
import { type LinearWeights, MOST_SHARD_ROWS } from "./linear_weights.ts";

export interface ExpertWeights {
  /** [experts, hidden] f32, so that choices are those of the file. */
  router: LinearWeights;
  banks: readonly ExpertBank[];
}

/** Experts [first, first + count). */
export interface ExpertBank {
  first: number;
  count: number;
  /** Rows of an expert's gate, then its up, then the next expert's. One shard. */
  gateUp: LinearWeights;
  /** One shard. */
  down: LinearWeights;
}

/**
 * `upload` joins tensors, given by their names, by rows; what they are held in is its own choice unless it is told.
 *
 * @throws MoloraError `unsupported_architecture` for sizes that groups of rows do not divide
 */
export async function uploadExperts(
  device: Device,
  config: ModelConfig,
  layer: number,
  upload: (names: readonly string[], dtype?: "f32") => Promise<LinearWeights>,
): Promise<ExpertWeights> {
  const family = familyOf(config);
  const { count, intermediateSize } = expertsOf(config, layer)!;
  if (config.hiddenSize % 8 !== 0 || intermediateSize % 4 !== 0) {
    throw new MoloraError("unsupported_architecture", `experts of ${intermediateSize} by ${config.hiddenSize} values`, {
      remedy: "Use a model whose experts' width is a multiple of 4, and whose hidden size is one of 8.",
    });
  }
  const router = await upload([expertRouterTensor(family, layer)], "f32");
  const banks: ExpertBank[] = [];
  const atOnce = expertsAtOnce(device, config.hiddenSize, intermediateSize);
  for (let first = 0; first < count; first += atOnce) {
    const experts = Array.from({ length: Math.min(atOnce, count - first) }, (_, i) => first + i);
    const names = (...modules: ("gate_proj" | "up_proj" | "down_proj")[]) =>
      experts.flatMap((expert) => modules.map((module) => expertTensor(family, layer, expert, module)));
    banks.push({
      first,
      count: experts.length,
      gateUp: await upload(names("gate_proj", "up_proj")),
      down: await upload(names("down_proj")),
    });
  }
  return { router, banks };
}

/** Experts whose matrices fit one shard, even as f32. */
function expertsAtOnce({ limits }: Device, hidden: number, intermediate: number): number {
  const rows = Math.max(2 * intermediate, hidden);
  const bytes = 4 * 2 * intermediate * hidden;
  return Math.max(1, Math.min(Math.floor(MOST_SHARD_ROWS / rows), Math.floor(limits.viewBytes / bytes)));
}
