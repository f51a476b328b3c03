// One step of router training as launches: the forward pass under the router's own choices, and behind each layer's routing
// that layer's loss and gradients. Hidden states are taken as given, so nothing is kept from layer to layer.
// It knows nothing of texts, targets or the optimizer.

import { subView, type View } from "../../engine/gpu/buffers.ts";
import { embedLaunches } from "../../engine/model/ends.ts";
import { enterLayer, layerBody } from "../../engine/model/layer.ts";
import { routingLaunches } from "../../engine/model/routing.ts";
import type { Launches, Stage } from "../../engine/model/stage.ts";
import { elementGrid } from "../../shaders/training/add.ts";
import { backwardBias, backwardBiasGrid } from "../../shaders/training/backward_bias.ts";
import { backwardSilu } from "../../shaders/training/backward_silu.ts";
import { backwardWeight, backwardWeightGrid } from "../../shaders/training/backward_weight.ts";
import { labelLoss, labelLossGrid, REPORT_BYTES } from "../../shaders/training/label_loss.ts";
import { project, projectGrid } from "../../shaders/training/project.ts";
import { Launcher } from "../backward/launcher.ts";
import type { FrozenModel } from "../frozen/frozen_model.ts";
import { type GateParameters, paddedOutputs } from "./parameters.ts";

export interface RouterWorkspace {
  launcher: Launcher;
  /** [T, experts] */
  targets: View;
  /** [T, outputs in whole vec4s] */
  dz: View;
  /** [T, hidden]: fc1 x + b1, */
  hidden: View;
  /** and its gradient. */
  dHidden: View;
  /** Per layer [sequences] reports. */
  reports: View[];
}

/** From one layer's reports to the next, so that each begins where a binding may. */
export function reportStride(sequences: number): number {
  return 256 * Math.ceil((sequences * REPORT_BYTES) / 256);
}

export function allocateRouterWorkspace(model: FrozenModel, gates: GateParameters): RouterWorkspace {
  const { gpu, buffers, capacity, config, inputs } = model;
  const { hidden, experts } = gates.shape;
  const floats = (label: string, width: number) => buffers.storage(label, 4 * capacity.tokens * width);
  const stride = reportStride(capacity.sequences);
  const reports = buffers.storage("router reports", config.numLayers * stride);
  const fillers = { spare: buffers.storage("spare", 16), sink: buffers.storage("sink", 16) };
  return {
    launcher: new Launcher(gpu, buffers, inputs.views.step, fillers),
    targets: floats("targets", experts),
    dz: floats("router dz", paddedOutputs(gates.shape)),
    hidden: floats("router hidden", hidden),
    dHidden: floats("router d hidden", hidden),
    reports: Array.from({ length: config.numLayers }, (_, i) => subView(reports, i * stride, stride)),
  };
}

/** `learns`: gradients are added up; else the loss is only reported. */
export async function routerLaunches(
  stage: Stage,
  gates: GateParameters,
  workspace: RouterWorkspace,
  learns: boolean,
): Promise<Launches> {
  const launches = await embedLaunches(stage);
  const last = stage.parts.config.numLayers - 1;
  for (let i = 0; i <= last; i++) {
    launches.push(await enterLayer(stage, i), ...(await routingLaunches(stage, i)));
    launches.push(...(await lossLaunches(stage, i, gates, workspace)));
    if (learns) launches.push(...(await gradientLaunches(stage, i, gates, workspace)));
    // What follows the last router changes no loss
    if (i < last) launches.push(...(await layerBody(stage, i)));
  }
  return launches;
}

async function lossLaunches(
  stage: Stage,
  i: number,
  { shape }: GateParameters,
  { targets, dz, reports }: RouterWorkspace,
): Promise<Launches> {
  const { inputs, workspace } = stage.parts;
  const { step, sequences } = inputs;
  const build = labelLoss({ experts: shape.experts, stride: paddedOutputs(shape), belief: shape.belief });
  const views = { step, sequences, targets, evidence: workspace.evidence, dz, report: reports[i]! };
  return [await stage.launch(build, labelLossGrid, views)];
}

/** From dz back through fc2, silu and fc1. */
async function gradientLaunches(
  stage: Stage,
  i: number,
  gates: GateParameters,
  { launcher, dz, hidden, dHidden }: RouterWorkspace,
): Promise<Launches> {
  const { workspace, capacity } = stage.parts;
  const { x } = workspace.input;
  const width = gates.shape.hidden;
  const cols = gates.shape.inputs;
  const rows = paddedOutputs(gates.shape);
  const fc2 = { rows, cols: width, x: { stride: capacity.gateWidth, offset: 0 } };
  const fc1 = { rows: width, cols, x: { stride: cols, offset: 0 } };
  const { values, gradients } = gates.layer(i);
  return [
    await launcher.launch(backwardWeight(fc2), backwardWeightGrid(fc2), {
      u: dz,
      x: workspace.gate,
      dw: gradients.fc2Weight,
    }),
    await launcher.launch(backwardBias({ rows }), backwardBiasGrid(rows), { dy: dz, db: gradients.fc2Bias }),
    await launcher.launch(project({ ...fc1, bias: true }), projectGrid(width), {
      weight: values.fc1Weight,
      bias: values.fc1Bias,
      x,
      y: hidden,
    }),
    await launcher.transposed(fc2, { weight: values.fc2Weight, dy: dz, dx: dHidden }, { add: false }),
    await launcher.launch(backwardSilu(width), elementGrid(width), { x: hidden, dy: dHidden }),
    await launcher.launch(backwardWeight(fc1), backwardWeightGrid(fc1), { u: dHidden, x, dw: gradients.fc1Weight }),
    await launcher.launch(backwardBias({ rows: width }), backwardBiasGrid(width), {
      dy: dHidden,
      db: gradients.fc1Bias,
    }),
  ];
}
