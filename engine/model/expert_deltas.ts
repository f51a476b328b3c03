// What adapters add to the matrices of a layer's own experts, and to the router that chooses among them: launches behind those of
// the base's.

import { expertsOf } from "../../files/families/facts.ts";
import { expandExperts } from "../../shaders/experts/expand_experts.ts";
import type { ExpertPart } from "../../shaders/experts/expert_lora.ts";
import { shrinkExperts } from "../../shaders/experts/shrink_experts.ts";
import { launch } from "../../shaders/kernel.ts";
import type { Launch } from "../device/device.ts";
import type { View } from "../device/memory.ts";
import type { Stage } from "./stage.ts";

/** Parts that are computed together, by what they read. */
const READS = {
  router: { parts: ["router"], per: "tokens" },
  gateUp: { parts: ["gate_proj", "up_proj"], per: "tokens" },
  down: { parts: ["down_proj"], per: "slots" },
} as const satisfies Record<string, { parts: readonly ExpertPart[]; per: "tokens" | "slots" }>;

/** y += B · A · x of the step's adapters, where one of them has such parts. */
export function expertDeltas(s: Stage, i: number, group: keyof typeof READS, x: View, y: View): Launch[] {
  const { config, capacity, inputs, workspace, pool } = s.views;
  const stated = expertsOf(config, i);
  const space = workspace.experts;
  if (!s.kind.experts || stated === undefined || space === undefined) return [];
  const { parts, per } = READS[group];
  const { hiddenSize: hidden } = config;
  const { count, intermediateSize: ffn } = stated;
  const isRouter = group === "router";
  const { entries, rank4, tokens: maxTokens } = capacity;
  const facts = { parts, used: isRouter ? 1 : stated.used, chosen: !isRouter, entries, rank4, maxTokens };
  const shared = { step: inputs.step, table: s.table(i), pool: pool[i], shrunk: space.shrunk };
  const chosen = isRouter ? {} : { chosen: space.chosen.layers[i] };
  const rows = { router: count, gateUp: ffn, down: hidden }[group];
  return [
    launch(shrinkExperts, { ...facts, cols: group === "down" ? ffn : hidden, per }, { ...shared, x, ...chosen }),
    launch(expandExperts, { ...facts, rows }, { ...shared, y, ...chosen }),
  ];
}
