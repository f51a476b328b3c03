// What of an adapter only the base's own weights can say: DoRA's gains and trained biases, worked out on the device that
// holds those weights, as it holds them.

import { groupRows, LORA_GROUPS, type LoraGroup, type LoraModuleName } from "../../files/families/modules.ts";
import type { Adapter, LoraModule } from "../../files/lora/adapter.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type Device, readView } from "../device/device.ts";
import type { ForwardViews } from "../model/forward_views.ts";
import { measureRows, type RowMeasures } from "../model/row_measures.ts";

export interface SettlingBase {
  device: Device;
  views: Pick<ForwardViews, "config" | "weights">;
}

/**
 * The adapter with `rows` in the place of what was unsettled; itself where nothing was.
 *
 * DoRA (Liu 2024, eq. 5) is y = g ⊙ (W x + s B A x) + bias with g = magnitude / ‖W + s B A‖, row by row. As an addition to
 * the base's own output W x + bias, which may then be weighed like any other: g ⊙ s B A x + (g − 1) ⊙ (W x).
 *
 * @throws MoloraError `adapter_unsupported` where a row of W + s B A is zero, so that it has no direction
 */
export async function settleAdapter(base: SettlingBase, adapter: Adapter): Promise<Adapter> {
  // Of a compressed set only plain LoRA can be a member.
  if (adapter.compressed !== undefined) return adapter;
  const isSettled = (layer: Adapter["layers"][number]) => Object.values(layer).every(({ unsettled }) => !unsettled);
  if (adapter.layers.every(isSettled)) return adapter;
  const layers: Adapter["layers"] = [];
  for (const [i, layer] of adapter.layers.entries()) {
    layers.push(isSettled(layer) ? layer : await settleLayer(base, i, layer));
  }
  return { ...adapter, layers };
}

async function settleLayer(
  { device, views }: SettlingBase,
  i: number,
  layer: Adapter["layers"][number],
): Promise<Adapter["layers"][number]> {
  const settled = { ...layer };
  const weights = views.weights.layers[i];
  for (const [group, names] of Object.entries(LORA_GROUPS) as [LoraGroup, readonly LoraModuleName[]][]) {
    const modules = names.flatMap((name) => (layer[name]?.unsettled ? [layer[name]] : []));
    if (modules.length === 0) continue;
    const normed = modules.filter(({ unsettled }) => unsettled?.magnitude);
    const measures =
      normed.length > 0
        ? await measureRows(
            device,
            weights[group],
            normed.map(({ a }) => a),
          )
        : undefined;
    const view = weights.biases[group];
    const biases = view && new Float32Array(await readView(device, view));
    const rows = groupRows(views.config, group);
    let first = 0;
    for (const [n, name] of names.entries()) {
      const lora = layer[name];
      const range = [first, first + rows[n]] as const;
      first += rows[n];
      if (!lora?.unsettled) continue;
      const bias = biases?.subarray(...range) ?? new Float32Array(rows[n]);
      const place = `layers.${i}.${name}`;
      settled[name] = settleModule(lora, bias, measures && partOf(measures, normed.indexOf(lora), range), place);
    }
  }
  return settled;
}

/** Of the rows of one module: W's squared lengths, and W times the rows of its A. */
interface ModuleMeasures {
  squares: Float32Array;
  /** [rank], of [out] each. */
  products: readonly Float32Array[];
}

function partOf({ squares, products }: RowMeasures, n: number, range: readonly [number, number]): ModuleMeasures {
  return {
    squares: squares.subarray(...range),
    products: (products[n] ?? []).map((product) => product.subarray(...range)),
  };
}

function settleModule(
  { unsettled = {}, ...lora }: LoraModule,
  baseBias: Float32Array,
  measures: ModuleMeasures | undefined,
  place: string,
): LoraModule {
  const { magnitude, bias, newBias } = unsettled;
  const out = baseBias.length;
  const gains = magnitude && measures && gainsOf(lora, magnitude, measures, place);
  const gain = gains?.map((g) => g - 1) ?? new Float64Array(out);
  const shift = Float32Array.from(baseBias, (own, i) => {
    return (bias?.[i] ?? 0) + (newBias === undefined ? 0 : newBias[i] - own) - gain[i] * own;
  });
  const b = gains ? lora.b.map((value, at) => value * gains[Math.floor(at / lora.rank)]) : lora.b;
  return { ...lora, b, rows: { gain: Float32Array.from(gain), shift } };
}

/** magnitude / ‖W + s B A‖ of each row: ‖W‖² + 2 s Σ_r B_r (W Aᵀ)_r + s² B (A Aᵀ) Bᵀ. */
function gainsOf(
  { rank, scale, a, b }: LoraModule,
  magnitude: Float32Array,
  { squares, products }: ModuleMeasures,
  place: string,
): Float64Array {
  const gram = gramOf(a, rank);
  return Float64Array.from(magnitude, (length, i) => {
    let norm = squares[i];
    for (let r = 0; r < rank; r++) {
      const factor = scale * b[i * rank + r];
      let crossed = 0;
      for (let q = 0; q < rank; q++) crossed += scale * b[i * rank + q] * gram[r * rank + q];
      norm += factor * (2 * products[r][i] + crossed);
    }
    if (norm > 0) return length / Math.sqrt(norm);
    throw new MoloraError("adapter_unsupported", `${place}: row ${i} of its base with the LoRA added is zero`, {
      remedy: "A DoRA scales directions, and this row has none; check that it is the base it was trained on.",
    });
  });
}

/** A · Aᵀ, [rank, rank]. */
function gramOf(a: Float32Array, rank: number): Float64Array {
  const columns = a.length / rank;
  const gram = new Float64Array(rank * rank);
  for (let r = 0; r < rank; r++) {
    for (let q = 0; q <= r; q++) {
      let sum = 0;
      for (let k = 0; k < columns; k++) sum += a[r * columns + k] * a[q * columns + k];
      gram[r * rank + q] = sum;
      gram[q * rank + r] = sum;
    }
  }
  return gram;
}
