// What an adapter states of one place of the base, read from its tensors: the LoRA modules that compute the same.

import type { ModelConfig } from "../families/config.ts";
import { moduleShape } from "../families/modules.ts";
import { readFloats } from "../weights/floats.ts";
import type { StoredTensor } from "../weights/tensor.ts";
import type { Adapter, LoraModule, Unsettled } from "./adapter.ts";
import type { PlacedChange } from "./fit.ts";
import { type Factors, formOf } from "./forms.ts";
import { hadamardPair, kroneckerPair, type Matrix, type Pair } from "./products.ts";

/** A place's modules. Those of a fused matrix share A; B's rows, magnitudes and biases are theirs one behind the other. */
export async function readChange(change: PlacedChange, config: ModelConfig): Promise<Adapter["layers"][number]> {
  const { modules, factors } = change;
  const scale = factors.alpha === undefined ? change.scale : (await readFloats(factors.alpha))[0] / change.rank;
  const { rank, a, b } = await readPair(change);
  const vectors = await readVectors(factors, scale);
  let first = 0;
  const parts = modules.map((module): [string, LoraModule] => {
    const [out] = moduleShape(config, module);
    const from = first;
    first += out;
    const part = (vector: Float32Array) => vector.slice(from, first);
    const unsettled = Object.entries(vectors).map(([name, vector]) => [name, part(vector)]);
    const pair = { rank, scale, a, b: b.slice(from * rank, first * rank) };
    return [module, unsettled.length === 0 ? pair : { ...pair, unsettled: Object.fromEntries(unsettled) }];
  });
  return Object.fromEntries(parts);
}

async function readPair({ path, rank, factors, transposed }: PlacedChange): Promise<Pair> {
  const matrix = async (tensor: StoredTensor | undefined): Promise<Matrix> => {
    const { shape } = tensor!;
    return { rows: shape[0], columns: shape[1], values: await readFloats(tensor!) };
  };
  switch (formOf(factors)) {
    case "bias":
      return { rank: 0, a: new Float32Array(0), b: new Float32Array(0) };
    case "lora": {
      const [a, b] = await Promise.all([readFloats(factors.a!), readFloats(factors.b!)]);
      if (!transposed) return { rank, a, b };
      return { rank, a: transpose(a, rank), b: transpose(b, b.length / rank) };
    }
    case "loha": {
      const { hada_w1_a, hada_w1_b, hada_w2_a, hada_w2_b } = factors;
      const [b1, a1, b2, a2] = await Promise.all([hada_w1_a, hada_w1_b, hada_w2_a, hada_w2_b].map(matrix));
      return hadamardPair(b1, a1, b2, a2);
    }
    case "lokr": {
      const side = async (whole: StoredTensor | undefined, b: StoredTensor | undefined, a: StoredTensor | undefined) =>
        whole === undefined
          ? ((await Promise.all([matrix(b), matrix(a)])) satisfies [Matrix, Matrix])
          : await matrix(whole);
      const { lokr_w1, lokr_w1_a, lokr_w1_b, lokr_w2, lokr_w2_a, lokr_w2_b } = factors;
      return kroneckerPair(path, await side(lokr_w1, lokr_w1_a, lokr_w1_b), await side(lokr_w2, lokr_w2_a, lokr_w2_b));
    }
  }
}

/** Of all of the place's rows. PEFT multiplies the bias of lora_B by the scale, as what it is added to. */
async function readVectors({ magnitude, bias, newBias }: Factors, scale: number): Promise<Unsettled> {
  const vectors: Unsettled = {};
  if (magnitude !== undefined) vectors.magnitude = await readFloats(magnitude);
  if (bias !== undefined) vectors.bias = (await readFloats(bias)).map((value) => scale * value);
  if (newBias !== undefined) vectors.newBias = await readFloats(newBias);
  return vectors;
}

/** [rows, cols] of a matrix stored [cols, rows]; `rows` counts the result's. */
export function transpose(stored: Float32Array, rows: number): Float32Array {
  const cols = stored.length / rows;
  return Float32Array.from(stored, (_, i) => stored[(i % cols) * rows + Math.floor(i / cols)]);
}
