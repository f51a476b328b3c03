// The launches of one layer's router: from its input to every expert's gate, and back to its weights and its input.
// What a gate is worth comes in as its gradient.

import type { Device, Launch } from "../../engine/device/device.ts";
import { subView, type View } from "../../engine/device/memory.ts";
import { backwardBelief } from "../../shaders/training/backward_belief.ts";
import { backwardBias } from "../../shaders/training/backward_bias.ts";
import { backwardChoose } from "../../shaders/training/backward_choose.ts";
import { backwardRouterZ } from "../../shaders/training/backward_router_z.ts";
import { backwardSilu } from "../../shaders/training/backward_silu.ts";
import { backwardWeight } from "../../shaders/training/backward_weight.ts";
import { belief } from "../../shaders/training/belief.ts";
import { choose } from "../../shaders/training/choose.ts";
import { expertLoad } from "../../shaders/training/expert_load.ts";
import { project } from "../../shaders/training/project.ts";
import { silu } from "../../shaders/training/silu.ts";
import type { BatchViews } from "./batch.ts";
import type { Launcher } from "./launcher.ts";
import type { GateViews } from "./lora.ts";
import type { RouterStack } from "./router_stack.ts";

/** Weights of the auxiliary losses, for a batch; 0: none. */
export interface AuxiliaryWeights {
  /** Switch's load-balancing loss, a layer's E · Σ f_e P_e. */
  balance: number;
  /** The router z-loss, a layer's mean of logsumexp(z)². */
  z: number;
}

/** One layer's values and gradients, shared by all layers. All f32. */
export interface RouterWorkspace {
  /** [T, hidden] before and after the activation; then the gradient of the hidden layer. */
  before: View;
  active: View;
  dActive: View;
  /** [T, outputs] */
  z: View;
  dz: View;
  /** [T, experts] log b, and its gradient; unused without belief. */
  beliefs: View;
  dBeliefs: View;
  /** [T, experts] */
  p: View;
  /** Per layer [experts] (f, P). */
  loads: View;
}

/** Bytes of a layer's part of `loads`. */
export const LOAD_BYTES = 256 * 8;

export function allocateRouter(device: Device, stack: RouterStack, tokens: number, layers: number): RouterWorkspace {
  const perToken = (label: string, width: number) => device.allocate(`router ${label}`, tokens * width * 4);
  return {
    before: perToken("before", stack.hidden),
    active: perToken("active", stack.hidden),
    dActive: perToken("hidden gradient", stack.hidden),
    z: perToken("z", stack.outputs),
    dz: perToken("z gradient", stack.outputs),
    beliefs: perToken("beliefs", stack.experts),
    dBeliefs: perToken("belief gradient", stack.experts),
    p: perToken("p", stack.experts),
    loads: device.allocate("loads", layers * LOAD_BYTES),
  };
}

export interface RouterParts {
  launcher: Launcher;
  stack: RouterStack;
  batch: BatchViews;
  workspace: RouterWorkspace;
  /** The layer's normed input, [T, d]. */
  x: View;
  /** Its gradient is added here; undefined where nothing below is trained. */
  dx: View | undefined;
  gate: GateViews;
  auxiliary: AuxiliaryWeights;
  index: number;
}

export function forwardRouter(parts: RouterParts): Launch[] {
  const { launcher, stack, batch, workspace, x, gate, index } = parts;
  const { hidden, inputs, outputs, experts } = stack;
  const { before, active, z, beliefs, p } = workspace;
  const tensors = stack.values(index);
  const first = { rows: hidden, cols: inputs, x: { stride: inputs, offset: 0 }, bias: true };
  const second = { rows: outputs, cols: hidden, x: { stride: hidden, offset: 0 }, bias: true };
  const views = { weight: tensors["fc1.weight"], bias: tensors["fc1.bias"], x, y: before };
  const launches: Launch[] = [
    launcher.launch(project, first, views),
    launcher.launch(silu, { width: hidden }, { x: before, y: active }),
    launcher.launch(project, second, {
      weight: tensors["fc2.weight"],
      bias: tensors["fc2.bias"],
      x: active,
      y: z,
    }),
  ];
  if (stack.belief) {
    launches.push(
      launcher.launch(belief, { experts, stride: outputs }, { sequences: batch.sequences, z, logits: beliefs }),
    );
  }
  const logits = stack.belief ? beliefs : z;
  launches.push(launcher.launch(choose, chooseFacts(stack), { logits, p, gates: gate.gates }));
  const counted = { gates: gate.gates, p, load: loadView(workspace, index) };
  launches.push(launcher.launch(expertLoad, { experts, topK: stack.rule.topK }, counted));
  return launches;
}

/** Run when every module of the layer has added to `dGates`. */
export function backwardRouter(parts: RouterParts): Launch[] {
  const { launcher, stack, batch, workspace, x, dx, gate, auxiliary, index } = parts;
  const { hidden, inputs, outputs, experts } = stack;
  const { before, active, dActive, z, dz, beliefs, dBeliefs, p } = workspace;
  const [tensors, gradients] = [stack.values(index), stack.gradients(index)];
  const facts = { experts, stride: outputs };
  const launches: Launch[] = [
    launcher.launch(
      backwardChoose,
      { ...chooseFacts(stack), balance: auxiliary.balance },
      {
        whole: batch.whole,
        p,
        gates: gate.gates,
        d_gates: gate.dGates,
        load: loadView(workspace, index),
        d_logits: stack.belief ? dBeliefs : dz,
      },
    ),
  ];
  if (stack.belief) {
    const views = { sequences: batch.sequences, z, logits: beliefs, d_logits: dBeliefs, dz };
    launches.push(launcher.launch(backwardBelief, facts, views));
  }
  if (auxiliary.z > 0) {
    const views = { whole: batch.whole, z, dz };
    launches.push(launcher.launch(backwardRouterZ, { ...facts, weight: auxiliary.z }, views));
  }
  const second = { rows: outputs, cols: hidden };
  const first = { rows: hidden, cols: inputs };
  const fc2 = { ...second, x: { stride: hidden, offset: 0 } };
  const fc1 = { ...first, x: { stride: inputs, offset: 0 } };
  launches.push(
    launcher.launch(backwardWeight, fc2, { u: dz, x: active, dw: gradients["fc2.weight"] }),
    launcher.launch(
      backwardBias,
      { rows: outputs },
      {
        dy: dz,
        db: gradients["fc2.bias"],
      },
    ),
    launcher.transposed(second, { weight: tensors["fc2.weight"], dy: dz, dx: dActive }, { add: false }),
    launcher.launch(backwardSilu, { width: hidden }, { x: before, dy: dActive }),
    launcher.launch(backwardWeight, fc1, { u: dActive, x, dw: gradients["fc1.weight"] }),
    launcher.launch(
      backwardBias,
      { rows: hidden },
      {
        dy: dActive,
        db: gradients["fc1.bias"],
      },
    ),
  );
  if (dx !== undefined) {
    launches.push(launcher.transposed(first, { weight: tensors["fc1.weight"], dy: dActive, dx }));
  }
  return launches;
}

function chooseFacts({ experts, belief, outputs, rule }: RouterStack) {
  return { experts, stride: belief ? experts : outputs, rule };
}

function loadView({ loads }: RouterWorkspace, index: number): View {
  return subView(loads, index * LOAD_BYTES, LOAD_BYTES);
}
