// One decoder layer as launches.
// It knows nothing of what stands before and behind it (ends.ts) nor of how tokens choose adapters (routing.ts).

import type { LoraGroup } from "../../files/families/modules.ts";
import { activation, activationGrid } from "../../shaders/activation.ts";
import { attention, attentionGrid, attentionTile } from "../../shaders/attention.ts";
import { loraFragment } from "../../shaders/lora_form.ts";
import { normGrid, norm as residualNorm } from "../../shaders/norm.ts";
import { ropeKv, ropeKvGrid } from "../../shaders/rope_kv.ts";
import type { StepShape } from "../../shaders/step.ts";
import type { View } from "../gpu/buffers.ts";
import type { Launch } from "../gpu/program.ts";
import { routingLaunches } from "./routing.ts";
import type { Launches, Stage } from "./stage.ts";

type Launching = Promise<Launch<StepShape>>;

export async function layerLaunches(stage: Stage, i: number): Promise<Launches> {
  const routing = stage.kind.routed ? await routingLaunches(stage, i) : [];
  return [await enterLayer(stage, i), ...routing, ...(await layerBody(stage, i))];
}

/** Up to the layer's normed input, which routers read. */
export function enterLayer(stage: Stage, i: number): Launching {
  return norm(stage, i === 0 ? undefined : i - 1, "down", stage.parts.weights.layers[i]!.attentionNorm);
}

/** From the layer's normed input and its table on. */
export async function layerBody(stage: Stage, i: number): Promise<Launches> {
  const { config, weights, workspace } = stage.parts;
  const { input, qkv, output, gateUp } = workspace;
  const layer = weights.layers[i]!;
  return [
    ...(await stage.linear(i, "qkv", layer.qkv, config.hiddenSize, input, qkv)),
    await rotate(stage, i),
    await attend(stage, i),
    ...(await stage.linear(i, "o", layer.o, config.numHeads * config.headDim, input, output)),
    await norm(stage, i, "o", layer.mlpNorm),
    ...(await stage.linear(i, "gateUp", layer.gateUp, config.hiddenSize, input, gateUp)),
    await activate(stage, i),
    ...(await stage.linear(i, "down", layer.down, config.intermediateSize, input, output)),
  ];
}

/** RMSNorm of the residual, to which the `group` output of layer `before` is added first, where there is one. */
function norm(stage: Stage, before: number | undefined, group: LoraGroup, weight: View): Launching {
  const { config, inputs, workspace } = stage.parts;
  const add = before !== undefined;
  const facts = {
    hidden: config.hiddenSize,
    eps: config.normEps,
    add,
    lora: loraFragment(add ? stage.kind.lora : "none", stage.loraShape(group)),
    activations: stage.activations,
  };
  return stage.launch(residualNorm(facts), normGrid, {
    step: inputs.step,
    residual: workspace.residual,
    output: workspace.output,
    weight,
    ...workspace.input,
    ...(add ? stage.loraViews(before) : {}),
  });
}

function rotate(stage: Stage, i: number): Launching {
  const { config, inputs, workspace, pool, rotations } = stage.parts;
  const lora = loraFragment(stage.kind.lora, stage.loraShape("qkv"), true);
  return stage.launch(ropeKv(config, lora), ropeKvGrid(config), {
    step: inputs.step,
    tokens: inputs.tokens,
    qkv: workspace.qkv,
    rotations,
    q: workspace.q,
    ...stage.loraViews(i),
    pool: pool[i]!,
  });
}

function attend(stage: Stage, i: number): Launching {
  const { config, inputs, workspace, pool } = stage.parts;
  const tile = attentionTile(config, stage.kind.tokens);
  return stage.launch(attention(config, stage.activations, tile), attentionGrid(config.numHeads, tile), {
    step: inputs.step,
    tokens: inputs.tokens,
    sequences: inputs.sequences,
    blocks: inputs.blocks,
    q: workspace.q,
    pool: pool[i]!,
    ...workspace.input,
  });
}

function activate(stage: Stage, i: number): Launching {
  const { config, inputs, workspace } = stage.parts;
  const lora = loraFragment(stage.kind.lora, stage.loraShape("gateUp"));
  const facts = { ffn: config.intermediateSize, lora, activations: stage.activations };
  return stage.launch(activation(facts), activationGrid(config.intermediateSize), {
    step: inputs.step,
    gate_up: workspace.gateUp,
    ...workspace.input,
    ...stage.loraViews(i),
  });
}
