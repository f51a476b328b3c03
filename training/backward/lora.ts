// The launches of one module's stacked LoRA: forward, and backward to inputs, gates, A and B.

import type { Launch } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import type { Strip } from "../../shaders/training/backward_linear.ts";
import { backwardLoraGate } from "../../shaders/training/backward_lora_gate.ts";
import { backwardWeight } from "../../shaders/training/backward_weight.ts";
import { loraGate } from "../../shaders/training/lora_gate.ts";
import { type ProjectFacts, project } from "../../shaders/training/project.ts";
import type { Launcher } from "./launcher.ts";
import type { StackedModule } from "./lora_stack.ts";
import type { LoraViews } from "./workspace.ts";

/** Gates of a layer, [T, experts], and their gradients, which all its modules add to. */
export interface GateViews {
  experts: number;
  gates: View;
  dGates: View;
}

/** A module in its place: y[t, strip] += Σ_e gate_e · scale_e · B_e A_e x[t]. */
export interface LoraSite {
  stacked: StackedModule;
  /** [T, inputs] */
  x: View;
  strip: Strip;
  views: LoraViews;
  gate: GateViews;
}

/** hidden and gated of a site: what `expandLora` and `backwardLora` read. */
export function shrinkLora(launcher: Launcher, { stacked, x, views, gate }: LoraSite): Launch[] {
  const { ranks, inputs } = stacked;
  const shrink = { rows: ranks, cols: inputs, x: { stride: inputs, offset: 0 }, bias: false };
  const { spare } = launcher.fillers;
  return [
    launcher.launch(project, shrink, { weight: stacked.a, bias: spare, x, y: views.hidden }),
    launcher.launch(
      loraGate,
      { ranks, experts: gate.experts },
      {
        owners: stacked.owners,
        gates: gate.gates,
        ...views,
      },
    ),
  ];
}

/** Adds the delta to y. */
export function expandLora(launcher: Launcher, { stacked, strip, views }: LoraSite, y: View): Launch[] {
  const matrix = { rows: stacked.ranks, cols: stacked.outputs };
  return [launcher.transposed(matrix, { weight: stacked.b, dy: views.gated, dx: y }, { strip })];
}

/** `dy` holds the gradient of y at the site's strip; `d` is scratch. Adds to `dx` where it is wanted. */
export function backwardLora(launcher: Launcher, site: LoraSite, dy: View, d: View, dx: View | undefined): Launch[] {
  const { stacked, x, strip, views, gate } = site;
  const { ranks, inputs, outputs, gradients } = stacked;
  const expand: ProjectFacts = { rows: ranks, cols: outputs, x: strip, bias: false };
  const { spare } = launcher.fillers;
  const weightGradient = (cols: number, from: Strip, u: View, value: View, dw: View) =>
    launcher.launch(
      backwardWeight,
      { rows: ranks, cols, x: from },
      {
        u,
        x: value,
        dw,
      },
    );
  return [
    launcher.launch(project, expand, { weight: stacked.b, bias: spare, x: dy, y: d }),
    launcher.launch(
      backwardLoraGate,
      { ranks, experts: gate.experts },
      {
        owners: stacked.owners,
        gates: gate.gates,
        hidden: views.hidden,
        d,
        d_gates: gate.dGates,
      },
    ),
    ...(gradients === undefined
      ? []
      : [
          weightGradient(outputs, strip, views.gated, dy, gradients.b),
          weightGradient(inputs, { stride: inputs, offset: 0 }, d, x, gradients.a),
        ]),
    ...(dx === undefined ? [] : [launcher.transposed({ rows: ranks, cols: inputs }, { weight: stacked.a, dy: d, dx })]),
  ];
}
