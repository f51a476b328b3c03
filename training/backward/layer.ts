// The launches of one decoder layer: forward from its input residual, and backward through what that left behind.
// It knows nothing of the layers around it; the residual stream's gradient comes in and goes out in one buffer.

import type { View } from "../../engine/gpu/buffers.ts";
import type { LayerWeights } from "../../engine/model/weights.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import { groupRows, LORA_GROUPS, type LoraGroup, type LoraModuleName } from "../../files/families/modules.ts";
import { activation, activationGrid } from "../../shaders/activation.ts";
import { loraFragment } from "../../shaders/lora_form.ts";
import { add, elementGrid } from "../../shaders/training/add.ts";
import {
  backwardAttentionKeyValue,
  backwardAttentionKeyValueGrid,
} from "../../shaders/training/backward_attention_key_value.ts";
import { backwardAttentionQuery } from "../../shaders/training/backward_attention_query.ts";
import type { Strip } from "../../shaders/training/backward_linear.ts";
import { backwardNorm } from "../../shaders/training/backward_norm.ts";
import { backwardSwiglu } from "../../shaders/training/backward_swiglu.ts";
import { causalAttention, causalAttentionGrid } from "../../shaders/training/causal_attention.ts";
import { normGrid, residualNorm } from "../../shaders/training/residual_norm.ts";
import { rotate, rotateGrid } from "../../shaders/training/rotate.ts";
import type { BatchViews } from "./batch.ts";
import type { Launcher, Launches } from "./launcher.ts";
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
  norm: Launches;
  forward: Launches;
  /** The MLP's output, added into the next layer's input residual. */
  finish: Launches;
  /** From d_residual behind the layer to that in front of its attention, and to d_input, of the attention's input. */
  backward: Launches;
  /** From d_input to d_residual in front of the layer; not run where nothing below is trained. */
  leave: Launches;
}

/** `lowest`: nothing below this layer is trained, so no gradient leaves it. */
export async function layerPasses(parts: LayerParts, lowest: boolean): Promise<LayerPasses> {
  const layer = new Layer(parts);
  return {
    norm: await layer.norm(),
    forward: await layer.forward(),
    finish: await layer.finish(),
    backward: await layer.backward(lowest),
    leave: lowest ? [] : await layer.leave(),
  };
}

class Layer {
  readonly #parts: LayerParts;
  readonly #norm: { hidden: number; eps: number };

  constructor(parts: LayerParts) {
    this.#parts = parts;
    this.#norm = { hidden: parts.config.hiddenSize, eps: parts.config.normEps };
  }

  async norm(): Promise<Launches> {
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
    return [await launcher.launch(residualNorm(this.#norm, "plain"), normGrid(false), views)];
  }

  async forward(): Promise<Launches> {
    const { launcher, config, weights, batch, workspace, rotations, index, tokens } = this.#parts;
    const { attentionInput, qkv, attended, lse, output, middle, mlpInput, gateUp, activated } = workspace;
    const swiglu = activation({ ffn: config.intermediateSize, lora: NO_LORA, activations: "f32" });
    return [
      ...(await launcher.linear(weights.qkv, attentionInput, qkv, tokens)),
      ...(await this.#addLora("qkv", attentionInput, qkv)),
      await launcher.launch(rotate(config, false), rotateGrid(config), { tokens: batch.tokens, rotations, qkv }),
      await launcher.launch(causalAttention(config), causalAttentionGrid(config), {
        tokens: batch.tokens,
        sequences: batch.sequences,
        qkv,
        attended,
        lse,
      }),
      ...(await launcher.linear(weights.o, attended, output, tokens)),
      ...(await this.#addLora("o", attended, output)),
      await launcher.launch(residualNorm(this.#norm, "add"), normGrid(false), {
        rows: batch.rows,
        residual: workspace.residuals[index]!,
        output,
        weight: weights.mlpNorm,
        sum: middle,
        x: mlpInput,
      }),
      ...(await launcher.linear(weights.gateUp, mlpInput, gateUp, tokens)),
      ...(await this.#addLora("gateUp", mlpInput, gateUp)),
      await launcher.launch(swiglu, activationGrid(config.intermediateSize), { gate_up: gateUp, x: activated }),
      ...(await this.#shrink("down", activated)),
    ];
  }

  async finish(): Promise<Launches> {
    const { launcher, config, weights, workspace, index, tokens } = this.#parts;
    const { activated, output, middle, residuals } = workspace;
    return [
      ...(await launcher.linear(weights.down, activated, output, tokens)),
      ...(await this.#expand("down", activated, output)),
      await launcher.launch(add(config.hiddenSize), elementGrid(config.hiddenSize), {
        left: middle,
        right: output,
        sum: residuals[index + 1]!,
      }),
    ];
  }

  async backward(lowest: boolean): Promise<Launches> {
    const { launcher, config, weights, batch, workspace, rotations } = this.#parts;
    const { attentionInput, qkv, attended, lse, middle, mlpInput, gateUp, activated } = workspace;
    const { dResidual, dInput, dWide, dQkv, delta } = workspace;
    const { tokens, sequences } = batch;
    const ffn = config.intermediateSize;
    const attention = { tokens, sequences, qkv, lse, d_attended: dWide, delta, dqkv: dQkv };
    return [
      ...(await launcher.backwardLinear(weights.down, dResidual, dWide)),
      ...(await this.#backLora("down", activated, dResidual, dWide)),
      await launcher.launch(backwardSwiglu(ffn), elementGrid(ffn), { dy: dWide, gate_up: gateUp }),
      ...(await launcher.backwardLinear(weights.gateUp, gateUp, dInput)),
      ...(await this.#backLora("gateUp", mlpInput, gateUp, dInput)),
      await this.#backNorm(middle, weights.mlpNorm),
      ...(await launcher.backwardLinear(weights.o, dResidual, dWide)),
      ...(await this.#backLora("o", attended, dResidual, dWide)),
      await launcher.launch(backwardAttentionQuery(config), causalAttentionGrid(config), { ...attention, attended }),
      await launcher.launch(backwardAttentionKeyValue(config), backwardAttentionKeyValueGrid(config), attention),
      await launcher.launch(rotate(config, true), rotateGrid(config), { tokens, rotations, qkv: dQkv }),
      ...(lowest ? [] : await launcher.backwardLinear(weights.qkv, dQkv, dInput)),
      ...(await this.#backLora("qkv", attentionInput, dQkv, lowest ? undefined : dInput)),
    ];
  }

  async leave(): Promise<Launches> {
    const { workspace, weights, index } = this.#parts;
    return [await this.#backNorm(workspace.residuals[index]!, weights.attentionNorm)];
  }

  #backNorm(residual: View, weight: View) {
    const { launcher, batch, workspace } = this.#parts;
    const views = { rows: batch.rows, residual, weight, dx: workspace.dInput, d_residual: workspace.dResidual };
    return launcher.launch(backwardNorm(this.#norm, false), normGrid(false), views);
  }

  async #addLora(group: LoraGroup, x: View, y: View): Promise<Launches> {
    return [...(await this.#shrink(group, x)), ...(await this.#expand(group, x, y))];
  }

  async #shrink(group: LoraGroup, x: View): Promise<Launches> {
    const { launcher } = this.#parts;
    return (await Promise.all(this.#sites(group, x).map((site) => shrinkLora(launcher, site)))).flat();
  }

  async #expand(group: LoraGroup, x: View, y: View): Promise<Launches> {
    const { launcher } = this.#parts;
    return (await Promise.all(this.#sites(group, x).map((site) => expandLora(launcher, site, y)))).flat();
  }

  async #backLora(group: LoraGroup, x: View, dy: View, dx: View | undefined): Promise<Launches> {
    const { launcher, workspace } = this.#parts;
    const sites = this.#sites(group, x);
    return (await Promise.all(sites.map((site) => backwardLora(launcher, site, dy, workspace.dHidden, dx)))).flat();
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

const NO_LORA = loraFragment("none", { firstModule: 0, rows: [], entries: 0, rank4: 0, maxTokens: 0 });

/** Where a module's output lies among its group's. */
function stripOf(config: ModelConfig, group: LoraGroup, module: LoraModuleName): Strip {
  const modules: readonly LoraModuleName[] = LORA_GROUPS[group];
  const rows = groupRows(config, group);
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  return { stride: sum(rows), offset: sum(rows.slice(0, modules.indexOf(module))) };
}
