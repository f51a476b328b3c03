// The launches of one layer's router: from its input to every expert's gate, and back to its weights and its input.
// It knows nothing of adapters; what a gate is worth comes in as its gradient.

import { type Buffers, subView, type View } from "../../engine/gpu/buffers.ts";
import { elementGrid } from "../../shaders/training/add.ts";
import { backwardBelief } from "../../shaders/training/backward_belief.ts";
import { backwardBias, backwardBiasGrid } from "../../shaders/training/backward_bias.ts";
import { backwardChoose } from "../../shaders/training/backward_choose.ts";
import { tokenGrid } from "../../shaders/training/backward_lora_gate.ts";
import { backwardRouterZ } from "../../shaders/training/backward_router_z.ts";
import { backwardSilu } from "../../shaders/training/backward_silu.ts";
import { backwardWeight, backwardWeightGrid } from "../../shaders/training/backward_weight.ts";
import { belief, sequenceGrid } from "../../shaders/training/belief.ts";
import { choose } from "../../shaders/training/choose.ts";
import { expertLoad, expertLoadGrid } from "../../shaders/training/expert_load.ts";
import { project, projectGrid } from "../../shaders/training/project.ts";
import { silu } from "../../shaders/training/silu.ts";
import type { BatchViews } from "./batch.ts";
import type { Launcher, Launches } from "./launcher.ts";
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

export function allocateRouter(buffers: Buffers, stack: RouterStack, tokens: number, layers: number): RouterWorkspace {
  const perToken = (label: string, width: number) => buffers.storage(`router ${label}`, tokens * width * 4);
  return {
    before: perToken("before", stack.hidden),
    active: perToken("active", stack.hidden),
    dActive: perToken("hidden gradient", stack.hidden),
    z: perToken("z", stack.outputs),
    dz: perToken("z gradient", stack.outputs),
    beliefs: perToken("beliefs", stack.experts),
    dBeliefs: perToken("belief gradient", stack.experts),
    p: perToken("p", stack.experts),
    loads: buffers.storage("loads", layers * LOAD_BYTES),
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

export async function forwardRouter(parts: RouterParts): Promise<Launches> {
  const { launcher, stack, batch, workspace, x, gate, index } = parts;
  const { hidden, inputs, outputs, experts } = stack;
  const { before, active, z, beliefs, p } = workspace;
  const tensors = stack.values(index);
  const first = project({ rows: hidden, cols: inputs, x: { stride: inputs, offset: 0 }, bias: true });
  const second = project({ rows: outputs, cols: hidden, x: { stride: hidden, offset: 0 }, bias: true });
  const views = { weight: tensors["fc1.weight"], bias: tensors["fc1.bias"], x, y: before };
  const launches = [
    await launcher.launch(first, projectGrid(hidden), views),
    await launcher.launch(silu(hidden), elementGrid(hidden), { x: before, y: active }),
    await launcher.launch(second, projectGrid(outputs), {
      weight: tensors["fc2.weight"],
      bias: tensors["fc2.bias"],
      x: active,
      y: z,
    }),
  ];
  if (stack.belief) {
    const filter = belief({ experts, stride: outputs });
    launches.push(await launcher.launch(filter, sequenceGrid, { sequences: batch.sequences, z, logits: beliefs }));
  }
  const logits = stack.belief ? beliefs : z;
  launches.push(await launcher.launch(choose(chooseFacts(stack)), tokenGrid, { logits, p, gates: gate.gates }));
  const load = expertLoad({ experts, topK: stack.rule.topK });
  const counted = { gates: gate.gates, p, load: loadView(workspace, index) };
  launches.push(await launcher.launch(load, expertLoadGrid(experts), counted));
  return launches;
}

/** Run when every module of the layer has added to `dGates`. */
export async function backwardRouter(parts: RouterParts): Promise<Launches> {
  const { launcher, stack, batch, workspace, x, dx, gate, auxiliary, index } = parts;
  const { hidden, inputs, outputs, experts } = stack;
  const { before, active, dActive, z, dz, beliefs, dBeliefs, p } = workspace;
  const [tensors, gradients] = [stack.values(index), stack.gradients(index)];
  const facts = { experts, stride: outputs };
  const launches = [
    await launcher.launch(backwardChoose({ ...chooseFacts(stack), balance: auxiliary.balance }), tokenGrid, {
      whole: batch.whole,
      p,
      gates: gate.gates,
      d_gates: gate.dGates,
      load: loadView(workspace, index),
      d_logits: stack.belief ? dBeliefs : dz,
    }),
  ];
  if (stack.belief) {
    const views = { sequences: batch.sequences, z, logits: beliefs, d_logits: dBeliefs, dz };
    launches.push(await launcher.launch(backwardBelief(facts), sequenceGrid, views));
  }
  if (auxiliary.z > 0) {
    const views = { whole: batch.whole, z, dz };
    launches.push(await launcher.launch(backwardRouterZ(facts, auxiliary.z), tokenGrid, views));
  }
  const second = { rows: outputs, cols: hidden };
  const first = { rows: hidden, cols: inputs };
  const fc2 = backwardWeight({ ...second, x: { stride: hidden, offset: 0 } });
  const fc1 = backwardWeight({ ...first, x: { stride: inputs, offset: 0 } });
  launches.push(
    await launcher.launch(fc2, backwardWeightGrid(second), { u: dz, x: active, dw: gradients["fc2.weight"] }),
    await launcher.launch(backwardBias({ rows: outputs }), backwardBiasGrid(outputs), {
      dy: dz,
      db: gradients["fc2.bias"],
    }),
    await launcher.transposed(second, { weight: tensors["fc2.weight"], dy: dz, dx: dActive }, { add: false }),
    await launcher.launch(backwardSilu(hidden), elementGrid(hidden), { x: before, dy: dActive }),
    await launcher.launch(fc1, backwardWeightGrid(first), { u: dActive, x, dw: gradients["fc1.weight"] }),
    await launcher.launch(backwardBias({ rows: hidden }), backwardBiasGrid(hidden), {
      dy: dActive,
      db: gradients["fc1.bias"],
    }),
  );
  if (dx !== undefined) {
    launches.push(await launcher.transposed(first, { weight: tensors["fc1.weight"], dy: dActive, dx }));
  }
  return launches;
}

function chooseFacts({ experts, belief, outputs, rule }: RouterStack) {
  return { experts, stride: belief ? experts : outputs, rule };
}

function loadView({ loads }: RouterWorkspace, index: number): View {
  return subView(loads, index * LOAD_BYTES, LOAD_BYTES);
}
