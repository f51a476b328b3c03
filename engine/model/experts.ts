// The launches of an MLP that is a mixture of the model's own experts: choice, the chosen experts' gated MLPs, their sum;
// and the one that shows the choice.

import { expertsOf } from "../../files/families/facts.ts";
import { alignUp, VIEW_ALIGNMENT } from "../../shaders/alignment.ts";
import { chooseExperts } from "../../shaders/experts/choose_experts.ts";
import { linearExperts } from "../../shaders/experts/linear_experts.ts";
import { sortExperts } from "../../shaders/experts/sort_experts.ts";
import { sumExperts } from "../../shaders/experts/sum_experts.ts";
import { traceExperts } from "../../shaders/experts/trace_experts.ts";
import { launch } from "../../shaders/kernel.ts";
import { activation } from "../../shaders/layer/activation.ts";
import { NO_LORA } from "../../shaders/lora/lora_form.ts";
import type { Launch } from "../device/device.ts";
import type { View } from "../device/memory.ts";
import { expertDeltas } from "./expert_deltas.ts";
import type { Stage } from "./stage.ts";

/** output = Σ over the experts a token takes, weight · down(f(gate(x)) · up(x)); undefined where layer i has a plain MLP. */
export function expertLaunches(s: Stage, i: number): Launch[] | undefined {
  const { config, weights, workspace, inputs } = s.views;
  const stated = expertsOf(config, i);
  const { experts } = weights.layers[i];
  const space = workspace.experts;
  if (stated === undefined || experts === undefined || space === undefined) return undefined;
  const { step } = inputs;
  const { logits, order, bounds, gateUp, activated, parts } = space;
  const chosen = space.chosen.layers[i];
  const shares = space.weights.layers[i];
  const { count, used, normalised, intermediateSize: ffn } = stated;
  const { hiddenSize: hidden } = config;
  /** One linear layer of all experts. */
  const linear = (group: "gateUp" | "down", per: "tokens" | "slots", rows: number, x: View, y: View) =>
    experts.banks.map((bank) => {
      const { cols, shards } = bank[group];
      const [{ format, quants, scales }] = shards;
      const facts = { format, rows, cols, first: bank.first, count: bank.count, used, per };
      return launch(linearExperts, facts, { step, quants, scales, x, y, order, bounds, chosen });
    });
  return [
    ...s.project(experts.router, workspace.input, logits),
    ...expertDeltas(s, i, "router", workspace.input.x, logits),
    launch(chooseExperts, { experts: count, used, normalised }, { step, logits, chosen, weights: shares }),
    launch(sortExperts, { experts: count, used }, { step, chosen, order, bounds }),
    ...linear("gateUp", "tokens", 2 * ffn, workspace.input.x, gateUp),
    ...expertDeltas(s, i, "gateUp", workspace.input.x, gateUp),
    launch(activation, { ffn, perToken: used, lora: NO_LORA }, { step, gate_up: gateUp, x: activated }),
    ...linear("down", "slots", hidden, activated, parts),
    ...expertDeltas(s, i, "down", activated, parts),
    launch(sumExperts, { hidden, used }, { step, parts, weights: shares, output: workspace.output }),
  ];
}

/** For the rows of logits, the experts of every layer; none where the model has no experts. Plain layers' are void. */
export function expertTrace({ views: { config, capacity, workspace, inputs } }: Stage): Launch[] {
  const space = workspace.experts;
  if (config.experts === undefined || space === undefined) return [];
  const { used } = config.experts;
  const facts = { layers: config.numLayers, stride: alignUp(capacity.tokens * used * 4, VIEW_ALIGNMENT) / 4, used };
  const { chosen, weights, trace } = space;
  return [launch(traceExperts, facts, { rows: inputs.logitRows, chosen: chosen.whole, weights: weights.whole, trace })];
}
