// A router's gates as trained parameters, and back. Rows of fc2 fill whole vec4s; the rows that fill up stay zero.

import type { LoadedMixture } from "../../engine/adapters/generation.ts";
import { gateOffsets } from "../../engine/adapters/pack_router.ts";
import type { Device } from "../../engine/device/device.ts";
import { subView, type View } from "../../engine/device/memory.ts";
import type { MlpGate } from "../../router/mixture.ts";
import type { FrozenModel } from "../frozen/frozen_model.ts";
import { Parameters } from "../optimizer/parameters.ts";
import { Random } from "../random.ts";

/** The facts that decide a gate's sizes. */
export interface GateShape {
  layers: number;
  /** d, the base's hidden size. */
  inputs: number;
  /** A multiple of 4. */
  hidden: number;
  experts: number;
  belief: boolean;
}

/** A switch is rare until the router has learned better: ρ = σ(−3) ≈ .05. */
const SWITCH_BIAS = -3;

/** E, or E + 1 with belief. */
export function outputsOf({ experts, belief }: Pick<GateShape, "experts" | "belief">): number {
  return experts + (belief ? 1 : 0);
}

export function paddedOutputs(shape: GateShape): number {
  return 4 * Math.ceil(outputsOf(shape) / 4);
}

/** Uniform in ±1/√(inputs of the layer), as PyTorch starts nn.Linear. */
export function initialGates(shape: GateShape, seed: number): MlpGate[] {
  const outputs = outputsOf(shape);
  return Array.from({ length: shape.layers }, (_, layer) => {
    const random = new Random(seed, layer, 0x9a7e);
    const draw = (count: number, inputs: number) =>
      Float32Array.from({ length: count }, () => (2 * random.next() - 1) / Math.sqrt(inputs));
    const gate = {
      fc1Weight: draw(shape.hidden * shape.inputs, shape.inputs),
      fc1Bias: draw(shape.hidden, shape.inputs),
      fc2Weight: draw(outputs * shape.hidden, shape.hidden),
      fc2Bias: draw(outputs, shape.hidden),
    };
    if (shape.belief) gate.fc2Bias[shape.experts] = SWITCH_BIAS;
    return gate;
  });
}

type Part = keyof MlpGate;
const PARTS = ["fc1Weight", "fc1Bias", "fc2Weight", "fc2Bias"] as const satisfies readonly Part[];

export type GateViews = Readonly<Record<Part, View>>;

export class GateParameters {
  readonly parameters: Parameters;
  readonly shape: GateShape;

  constructor(device: Device, shape: GateShape, gates: readonly MlpGate[]) {
    const tensors = gates.flatMap((gate, layer) => PARTS.map((part) => [nameOf(layer, part), gate[part]] as const));
    const padded = paddedOutputs(shape);
    const sized = tensors.map(([name, tensor]): [string, Float32Array] => {
      if (name.endsWith("fc2Weight")) return [name, lengthened(tensor, padded * shape.hidden)];
      return [name, name.endsWith("fc2Bias") ? lengthened(tensor, padded) : tensor];
    });
    this.shape = shape;
    this.parameters = new Parameters(device, "router", new Map(sized), true);
  }

  /** One layer's tensors, and the views in which their gradients are added up. */
  layer(layer: number): { values: GateViews; gradients: GateViews } {
    return {
      values: viewsOf((part) => this.parameters.value(nameOf(layer, part))),
      gradients: viewsOf((part) => this.parameters.gradient(nameOf(layer, part))!),
    };
  }

  /** Leaves nothing but rows [first, end) of every fc2 a gradient, so that a step of AdamW changes only those. */
  keepRows(device: Device, first: number, end: number): void {
    const padded = paddedOutputs(this.shape);
    const clear = (view: View, from: number, to: number) => {
      if (to > from) device.zero(subView(view, 4 * from, 4 * (to - from)));
    };
    for (let i = 0; i < this.shape.layers; i++) {
      const { fc1Weight, fc1Bias, fc2Weight, fc2Bias } = this.layer(i).gradients;
      device.zero(fc1Weight);
      device.zero(fc1Bias);
      for (const [view, width] of [
        [fc2Weight, this.shape.hidden],
        [fc2Bias, 1],
      ] as const) {
        clear(view, 0, first * width);
        clear(view, end * width, padded * width);
      }
    }
  }

  /** The gates as they are on the device now. */
  async read(): Promise<MlpGate[]> {
    const tensors = await this.parameters.read();
    const { layers, hidden } = this.shape;
    const outputs = outputsOf(this.shape);
    return Array.from({ length: layers }, (_, layer) => {
      const tensor = (part: Part) => tensors.get(nameOf(layer, part))!;
      return {
        fc1Weight: tensor("fc1Weight"),
        fc1Bias: tensor("fc1Bias"),
        fc2Weight: tensor("fc2Weight").slice(0, outputs * hidden),
        fc2Bias: tensor("fc2Bias").slice(0, outputs),
      };
    });
  }

  /** Makes a router on the device the one trained here, for all that is asked for later. */
  publish(model: FrozenModel, mixture: LoadedMixture): void {
    const { hidden, inputs } = this.shape;
    const outputs = outputsOf(this.shape);
    const at = gateOffsets(mixture.mixture);
    const run = model.firstPage(mixture.key) * model.base.pool.pageBytes;
    const parts: [Part, number, number][] = [
      ["fc1Weight", at.fc1, hidden * inputs],
      ["fc1Bias", at.bias1, hidden],
      ["fc2Weight", at.fc2, outputs * hidden],
      ["fc2Bias", at.bias2, outputs],
    ];
    for (const [layer, pool] of model.base.pool.layers.entries()) {
      const { values } = this.layer(layer);
      for (const [part, offset, floats] of parts) {
        model.device.copy(subView(values[part], 0, 4 * floats), subView(pool, run + 16 * offset, 4 * floats));
      }
    }
  }
}

function nameOf(layer: number, part: Part): string {
  return `layers.${layer}.${part}`;
}

function viewsOf(view: (part: Part) => View): GateViews {
  return {
    fc1Weight: view("fc1Weight"),
    fc1Bias: view("fc1Bias"),
    fc2Weight: view("fc2Weight"),
    fc2Bias: view("fc2Bias"),
  };
}

function lengthened(array: Float32Array, length: number): Float32Array {
  const longer = new Float32Array(length);
  longer.set(array);
  return longer;
}
