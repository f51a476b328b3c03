// The gates of a mixture's mlp router as parameters, one a layer, with sizes padded to whole vec4s.

import type { Device } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import type { GateRule, MlpGate, Router } from "../../router/mixture.ts";
import { alignUp } from "../../shaders/alignment.ts";
import { Parameters } from "../optimizer/parameters.ts";

const PARTS = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"] as const;
type Part = (typeof PARTS)[number];

/** One layer's gate on the device, or its gradients. Padding is zero and stays so: its gradients vanish. */
export type GateTensors = Record<Part, View>;

export class RouterStack {
  readonly parameters: Parameters;
  readonly experts: number;
  readonly belief: boolean;
  readonly rule: GateRule;
  /** h, padded. */
  readonly hidden: number;
  /** E' = E, or E + 1 with belief, padded. */
  readonly outputs: number;
  readonly inputs: number;
  readonly #width: number;

  /** @throws RangeError for a router without gates. */
  constructor(device: Device, config: ModelConfig, router: Router, experts: number) {
    if (router.type !== "mlp") throw new RangeError(`a router of type ${router.type} has nothing to train`);
    const { topK, gate, temperature, belief, hiddenSize, layers } = router;
    this.experts = experts;
    this.belief = belief;
    this.rule = { topK, gate, temperature };
    this.#width = hiddenSize;
    this.hidden = alignUp(hiddenSize, 4);
    this.outputs = alignUp(this.#rows, 4);
    this.inputs = config.hiddenSize;
    const tensors = new Map(
      layers.flatMap((one, i) => PARTS.map((part) => [`layers.${i}.${part}`, this.#padded(one, part)] as const)),
    );
    this.parameters = new Parameters(device, "router", tensors, true);
  }

  values(layer: number): GateTensors {
    return this.#tensors((name) => this.parameters.value(name), layer);
  }

  gradients(layer: number): GateTensors {
    return this.#tensors((name) => this.parameters.gradient(name)!, layer);
  }

  /** Gates out of tensors read from `parameters` (values or gradients). */
  gates(tensors: ReadonlyMap<string, Float32Array>, layers: number): MlpGate[] {
    const rows = this.#rows;
    return Array.from({ length: layers }, (_, i) => {
      const tensor = (part: Part) => tensors.get(`layers.${i}.${part}`)!;
      return {
        fc1Weight: tensor("fc1.weight").slice(0, this.#width * this.inputs),
        fc1Bias: tensor("fc1.bias").slice(0, this.#width),
        fc2Weight: resized(tensor("fc2.weight"), this.hidden, rows, this.#width),
        fc2Bias: tensor("fc2.bias").slice(0, rows),
      };
    });
  }

  get #rows(): number {
    return this.experts + (this.belief ? 1 : 0);
  }

  #tensors(view: (name: string) => View, layer: number): GateTensors {
    return Object.fromEntries(PARTS.map((part) => [part, view(`layers.${layer}.${part}`)])) as GateTensors;
  }

  #padded(gate: MlpGate, part: Part): Float32Array {
    switch (part) {
      case "fc1.weight":
        return resized(gate.fc1Weight, this.inputs, this.hidden, this.inputs);
      case "fc1.bias":
        return resized(gate.fc1Bias, this.#width, 1, this.hidden);
      case "fc2.weight":
        return resized(gate.fc2Weight, this.#width, this.outputs, this.hidden);
      case "fc2.bias":
        return resized(gate.fc2Bias, this.#rows, 1, this.outputs);
    }
  }
}

/** A matrix of `stride` columns as one of [rows, cols]: cut, or filled with zeros. */
function resized(matrix: Float32Array, stride: number, rows: number, cols: number): Float32Array {
  const out = new Float32Array(rows * cols);
  for (let r = 0; r < Math.min(rows, matrix.length / stride); r++) {
    out.set(matrix.subarray(r * stride, r * stride + Math.min(stride, cols)), r * cols);
  }
  return out;
}
