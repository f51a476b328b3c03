// The launches of one decoder layer: forward from its input residual, and backward through what that left behind.
// The residual stream's gradient comes in and goes out in one buffer.

import type { Launch } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import type { LayerWeights } from "../../engine/model/weights.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import { groupRows, LORA_GROUPS, type LoraGroup, type LoraModuleName } from "../../files/families/modules.ts";
import { activation } from "../../shaders/layer/activation.ts";
import type { HeadFacts } from "../../shaders/layer/rope_kv.ts";
import { NO_LORA } from "../../shaders/lora/lora_form.ts";
import { add } from "../../shaders/training/add.ts";
import { backwardAttentionKeyValue } from "../../shaders/training/backward_attention_key_value.ts";
import { backwardAttentionQuery } from "../../shaders/training/backward_attention_query.ts";
import type { Strip } from "../../shaders/training/backward_linear.ts";
import { backwardNorm } from "../../shaders/training/backward_norm.ts";
import { backwardSwiglu } from "../../shaders/training/backward_swiglu.ts";
import { causalAttention } from "../../shaders/training/causal_attention.ts";
import { residualNorm } from "../../shaders/training/residual_norm.ts";
import { rotate } from "../../shaders/training/rotate.ts";
import type { BatchViews } from "./batch.ts";
import type { Launcher } from "./launcher.ts";
import { backwardLora, expandLora, type GateViews, type LoraSite, shrinkLora } from "./lora.ts";
import type { LoraStack } from "./lora_stack.ts";
import type { TrainingWorkspace } from "./workspace.ts";

export interface LayerParts {
  launcher: Launcher;
  config: ModelConfig;
  weights: LayerWeights;
  stack: LoraStack["layers"][number];
  gate: GateViews;
  batch: BatchViews;
  workspace: TrainingWorkspace;
  /** (cos, sin) by position. */
  rotations: View;
  index: number;
  /** Tokens of a usual batch. */
  tokens: number;
}

/** Passes of one layer. `forward`, then `finish`; or, to go back, `forward` again and `backward`. */
export interface LayerPasses {
  /** From the layer's input residual to all that `backward` needs; the router goes between the two halves. */
  norm: Launch[];
  forward: Launch[];
  /** The MLP's output, added into the next layer's input residual. */
  finish: Launch[];
  /** From d_residual behind the layer to that in front of its attention, and to d_input, of the attention's input. */
  backward: Launch[];
  /** From d_input to d_residual in front of the layer; not run where nothing below is trained. */
  leave: Launch[];
}

/** `lowest`: nothing below this layer is trained, so no gradient leaves it. */
export function layerPasses(parts: LayerParts, lowest: boolean): LayerPasses {
  const layer = new Layer(parts);
  return {
    norm: layer.norm(),
    forward: layer.forward(),
    finish: layer.finish(),
    backward: layer.backward(lowest),
    leave: lowest ? [] : layer.leave(),
  };
}

class Layer {
  readonly #parts: LayerParts;
  readonly #norm: { hidden: number; eps: number };

  constructor(parts: LayerParts) {
    this.#parts = parts;
    this.#norm = { hidden: parts.config.hiddenSize, eps: parts.config.normEps };
  }

  norm(): Launch[] {
    const { launcher, weights, batch, workspace, index } = this.#parts;
    const { spare, sink } = launcher.fillers;
    const views = {
      rows: batch.rows,
      residual: workspace.residuals[index]!,
      output: spare,
      weight: weights.attentionNorm,
      sum: sink,
      x: workspace.attentionInput,
    };
    return [launcher.launch(residualNorm, { ...this.#norm, form: "plain" }, views)];
  }

  forward(): Launch[] {
    const { launcher, config, weights, batch, workspace, rotations, index, tokens } = this.#parts;
    const { attentionInput, qkv, attended, lse, output, middle, mlpInput, gateUp, activated } = workspace;
    const heads = headsOf(config);
    return [
      ...launcher.linear(weights.qkv, attentionInput, qkv, tokens),
      ...this.#addLora("qkv", attentionInput, qkv),
      launcher.launch(rotate, { ...heads, inverse: false }, { tokens: batch.tokens, rotations, qkv }),
      launcher.launch(causalAttention, heads, {
        tokens: batch.tokens,
        sequences: batch.sequences,
        qkv,
        attended,
        lse,
      }),
      ...launcher.linear(weights.o, attended, output, tokens),
      ...this.#addLora("o", attended, output),
      launcher.launch(
        residualNorm,
        { ...this.#norm, form: "add" },
        {
          rows: batch.rows,
          residual: workspace.residuals[index]!,
          output,
          weight: weights.mlpNorm,
          sum: middle,
          x: mlpInput,
        },
      ),
      ...launcher.linear(weights.gateUp, mlpInput, gateUp, tokens),
      ...this.#addLora("gateUp", mlpInput, gateUp),
      launcher.launch(activation, { ffn: config.intermediateSize, lora: NO_LORA }, { gate_up: gateUp, x: activated }),
      ...this.#shrink("down", activated),
    ];
  }

  finish(): Launch[] {
    const { launcher, config, weights, workspace, index, tokens } = this.#parts;
    const { activated, output, middle, residuals } = workspace;
    return [
      ...launcher.linear(weights.down, activated, output, tokens),
      ...this.#expand("down", activated, output),
      launcher.launch(
        add,
        { width: config.hiddenSize },
        {
          left: middle,
          right: output,
          sum: residuals[index + 1]!,
        },
      ),
    ];
  }

  backward(lowest: boolean): Launch[] {
    const { launcher, config, weights, batch, workspace, rotations } = this.#parts;
    const { attentionInput, qkv, attended, lse, middle, mlpInput, gateUp, activated } = workspace;
    const { dResidual, dInput, dWide, dQkv, delta } = workspace;
    const { tokens, sequences } = batch;
    const heads = headsOf(config);
    const attention = { tokens, sequences, qkv, lse, d_attended: dWide, delta, dqkv: dQkv };
    return [
      ...launcher.backwardLinear(weights.down, dResidual, dWide),
      ...this.#backLora("down", activated, dResidual, dWide),
      launcher.launch(backwardSwiglu, { ffn: config.intermediateSize }, { dy: dWide, gate_up: gateUp }),
      ...launcher.backwardLinear(weights.gateUp, gateUp, dInput),
      ...this.#backLora("gateUp", mlpInput, gateUp, dInput),
      this.#backNorm(middle, weights.mlpNorm),
      ...launcher.backwardLinear(weights.o, dResidual, dWide),
      ...this.#backLora("o", attended, dResidual, dWide),
      launcher.launch(backwardAttentionQuery, heads, { ...attention, attended }),
      launcher.launch(backwardAttentionKeyValue, heads, attention),
      launcher.launch(rotate, { ...heads, inverse: true }, { tokens, rotations, qkv: dQkv }),
      ...(lowest ? [] : launcher.backwardLinear(weights.qkv, dQkv, dInput)),
      ...this.#backLora("qkv", attentionInput, dQkv, lowest ? undefined : dInput),
    ];
  }

  leave(): Launch[] {
    const { workspace, weights, index } = this.#parts;
    return [this.#backNorm(workspace.residuals[index]!, weights.attentionNorm)];
  }

  #backNorm(residual: View, weight: View) {
    const { launcher, batch, workspace } = this.#parts;
    const views = { rows: batch.rows, residual, weight, dx: workspace.dInput, d_residual: workspace.dResidual };
    return launcher.launch(backwardNorm, { ...this.#norm, gather: false }, views);
  }

  #addLora(group: LoraGroup, x: View, y: View): Launch[] {
    return [...this.#shrink(group, x), ...this.#expand(group, x, y)];
  }

  #shrink(group: LoraGroup, x: View): Launch[] {
    const { launcher } = this.#parts;
    return this.#sites(group, x).flatMap((site) => shrinkLora(launcher, site));
  }

  #expand(group: LoraGroup, x: View, y: View): Launch[] {
    const { launcher } = this.#parts;
    return this.#sites(group, x).flatMap((site) => expandLora(launcher, site, y));
  }

  #backLora(group: LoraGroup, x: View, dy: View, dx: View | undefined): Launch[] {
    const { launcher, workspace } = this.#parts;
    const sites = this.#sites(group, x);
    return sites.flatMap((site) => backwardLora(launcher, site, dy, workspace.dHidden, dx));
  }

  /** The modules of a group that some expert extends. */
  #sites(group: LoraGroup, x: View): LoraSite[] {
    const { stack, gate, workspace, config } = this.#parts;
    return LORA_GROUPS[group].flatMap((module) => {
      const stacked = stack[module];
      if (stacked === undefined) return [];
      return [{ stacked, x, strip: stripOf(config, group, module), views: workspace.lora[module], gate }];
    });
  }
}

function headsOf({ numHeads, numKvHeads, headDim }: ModelConfig): HeadFacts {
  return { numHeads, numKvHeads, headDim };
}

/** Where a module's output lies among its group's. */
function stripOf(config: ModelConfig, group: LoraGroup, module: LoraModuleName): Strip {
  const modules: readonly LoraModuleName[] = LORA_GROUPS[group];
  const rows = groupRows(config, group);
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  return { stride: sum(rows), offset: sum(rows.slice(0, modules.indexOf(module))) };
}
