// One step of router training as launches: the forward pass under the router's own choices, and behind each layer's routing
// that layer's loss and gradients. Hidden states are taken as given, so nothing is kept from layer to layer.

import type { Launch } from "../../engine/device/device.ts";
import { subView, type View } from "../../engine/device/memory.ts";
import { enter, layer } from "../../engine/model/layer.ts";
import type { Stage } from "../../engine/model/stage.ts";
import { launch } from "../../shaders/kernel.ts";
import { backwardBias } from "../../shaders/training/backward_bias.ts";
import { backwardSilu } from "../../shaders/training/backward_silu.ts";
import { backwardWeight } from "../../shaders/training/backward_weight.ts";
import { labelLoss, REPORT_BYTES } from "../../shaders/training/label_loss.ts";
import { project } from "../../shaders/training/project.ts";
import { Launcher } from "../backward/launcher.ts";
import type { FrozenModel } from "../frozen/frozen_model.ts";
import { type GateParameters, paddedOutputs } from "./parameters.ts";

export interface RouterWorkspace {
  launcher: Launcher;
  /** [T, experts] */
  targets: View;
  /** [T, outputs in whole vec4s] */
  dz: View;
  /** [T, hidden]: fc1 · x + b1 */
  hidden: View;
  /** [T, hidden]: the gradient of `hidden` */
  dHidden: View;
  /** Per layer [sequences] reports. */
  reports: { whole: View; layers: View[] };
}

/** From one layer's reports to the next, so that each begins where a binding may. */
export function reportStride(sequences: number): number {
  return 256 * Math.ceil((sequences * REPORT_BYTES) / 256);
}

export function allocateRouterWorkspace(model: FrozenModel, gates: GateParameters): RouterWorkspace {
  const { device, base, capacity, config } = model;
  const { hidden, experts } = gates.shape;
  const floats = (label: string, width: number) => device.allocate(label, 4 * capacity.tokens * width);
  const stride = reportStride(capacity.sequences);
  const reports = device.allocate("router reports", config.numLayers * stride);
  const fillers = { spare: device.allocate("spare", 16), sink: device.allocate("sink", 16) };
  return {
    launcher: new Launcher(device, base.inputs.views.step, fillers),
    targets: floats("targets", experts),
    dz: floats("router dz", paddedOutputs(gates.shape)),
    hidden: floats("router hidden", hidden),
    dHidden: floats("router d hidden", hidden),
    reports: {
      whole: reports,
      layers: Array.from({ length: config.numLayers }, (_, i) => subView(reports, i * stride, stride)),
    },
  };
}

/** `learns`: gradients are added up; else the loss is only reported. */
export function routerLaunches(
  stage: Stage,
  gates: GateParameters,
  workspace: RouterWorkspace,
  learns: boolean,
): Launch[] {
  const last = stage.views.config.numLayers - 1;
  const taught = (i: number) => [
    lossLaunch(stage, i, gates, workspace),
    ...(learns ? gradientLaunches(stage, i, gates, workspace) : []),
  ];
  const below = Array.from({ length: last }, (_, i) => layer(stage, i, taught(i)));
  // What follows the last router changes no loss.
  return [...stage.embed(), ...below.flat(), ...enter(stage, last), ...taught(last)];
}

function lossLaunch(
  { views }: Stage,
  i: number,
  { shape }: GateParameters,
  { targets, dz, reports }: RouterWorkspace,
): Launch {
  const { step, sequences } = views.inputs;
  const facts = { experts: shape.experts, stride: paddedOutputs(shape), belief: shape.belief };
  const evidence = views.workspace.evidence.layers[i];
  return launch(labelLoss, facts, { step, sequences, targets, evidence, dz, report: reports.layers[i] });
}

/** From dz back through fc2, silu and fc1. */
function gradientLaunches(
  { views }: Stage,
  i: number,
  gates: GateParameters,
  { launcher, dz, hidden, dHidden }: RouterWorkspace,
): Launch[] {
  const { workspace, capacity } = views;
  const { x } = workspace.input;
  const width = gates.shape.hidden;
  const cols = gates.shape.inputs;
  const rows = paddedOutputs(gates.shape);
  const fc2 = { rows, cols: width, x: { stride: capacity.gateWidth, offset: 0 } };
  const fc1 = { rows: width, cols, x: { stride: cols, offset: 0 } };
  const { values, gradients } = gates.layer(i);
  return [
    launcher.launch(backwardWeight, fc2, { u: dz, x: workspace.gate, dw: gradients.fc2Weight }),
    launcher.launch(backwardBias, { rows }, { dy: dz, db: gradients.fc2Bias }),
    launcher.launch(project, { ...fc1, bias: true }, { weight: values.fc1Weight, bias: values.fc1Bias, x, y: hidden }),
    launcher.transposed(fc2, { weight: values.fc2Weight, dy: dz, dx: dHidden }, { add: false }),
    launcher.launch(backwardSilu, { width }, { x: hidden, dy: dHidden }),
    launcher.launch(backwardWeight, fc1, { u: dHidden, x, dw: gradients.fc1Weight }),
    launcher.launch(backwardBias, { rows: width }, { dy: dHidden, db: gradients.fc1Bias }),
  ];
}
