// Gates whose hidden layer is held in panels of q8_0 and meets int8 activations, of two widths in one step.

import { packRouterLayer } from "../../../engine/adapters/pack_router.ts";
import { prepareRouter } from "../../../engine/adapters/prepare_router.ts";
import { sliced } from "../../../files/slices.ts";
import { Q8_0 } from "../../../files/weights/stored/q8_0.ts";
import { quantizeQ8_0 } from "../../../files/weights/stored/quantize.ts";
import type { Mixture, MlpGate, Router } from "../../../router/mixture.ts";
import { gate } from "../../../shaders/routing/gate.ts";
import type { KernelCase } from "../case.ts";
import { compute, stepShape } from "../compute.ts";
import { randomFloats } from "../random.ts";
import { linear } from "../reference/linear.ts";
import { silu } from "../reference/swiglu.ts";
import { int8Blocks } from "./int8_blocks.ts";

const HIDDEN = 96;
const GATE_WIDTH = 32;
/** One fills its panels, of the other the last has a row. */
const WIDTHS = [24, 9];
const TOLERANCE = 1e-5;

export function gateCases(): KernelCase[] {
  return [1, 2, 7, 70].map(bytesCase);
}

/** Only the CPU has int8 activations. A sequence a width, and one without a router between them. */
function bytesCase(tokens: number): KernelCase {
  return {
    kernel: "gate q8_0 × int8",
    name: `${tokens} tokens`,
    only: "cpu",
    async run(device) {
      const layers = WIDTHS.map((width, i) => layerOf(width, 10 * i));
      const runs = [await runOf(layers[0]!), await runOf(layers[1]!)];
      const first = GAP;
      const second = first + runs[0]!.length;
      // Whole arrays are set: bytes that make no number do not survive as numbers.
      const pool = new Float32Array(second + runs[1]!.length + GAP).fill(Number.NaN);
      pool.set(runs[0]!, first);
      pool.set(runs[1]!, second);
      const routers = [first / 4, 0, second / 4];
      const count = 3 * tokens;
      const blocks = int8Blocks(randomFloats(count * HIDDEN, 7));
      const x = Float32Array.from(blocks.values);
      const arrays = {
        tokens: Uint32Array.from({ length: 8 * count }, (_, i) => (i % 8 === 2 ? Math.floor(i / 8 / tokens) : 0)),
        sequences: Uint32Array.from(routers.flatMap((router, s) => [s * tokens, tokens, 0, 0, s, router, 0, 0])),
        ...{ x, xq: blocks.xq, xs: blocks.xs, pool },
        gate: new Float32Array(count * GATE_WIDTH).fill(UNTOUCHED),
      };
      const shape = stepShape({ tokens: count, sequences: 3, routed: true, gateWidth: Math.max(...WIDTHS) });
      const facts = { hidden: HIDDEN, gateWidth: GATE_WIDTH, tokens: count };
      const found = await compute(device, gate, facts, shape, arrays, { cpu: { xq: "read", xs: "read" } });
      const part = (s: number) => x.subarray(s * tokens * HIDDEN, (s + 1) * tokens * HIDDEN);
      const expected = [
        ...hiddenOf(layers[0]!, part(0)),
        ...new Float64Array(tokens * GATE_WIDTH).fill(UNTOUCHED),
        ...hiddenOf(layers[1]!, part(2)),
      ];
      return [{ actual: found.gate!, expected, tolerance: TOLERANCE }];
    },
  };
}

/** Floats before the first router, since nothing lies at 0, and behind the last. */
const GAP = 4;
/** What the kernel leaves as it is. */
const UNTOUCHED = 0.125;

function layerOf(width: number, seed: number): MlpGate {
  return {
    fc1Weight: randomFloats(width * HIDDEN, seed + 1),
    fc1Bias: randomFloats(width, seed + 2),
    fc2Weight: randomFloats(2 * width, seed + 3),
    fc2Bias: randomFloats(2, seed + 4),
  };
}

async function runOf(layer: MlpGate): Promise<Float32Array> {
  const baseModel = { architecture: "LlamaForCausalLM", hiddenSize: HIDDEN, numLayers: 1 };
  const experts = [0, 1].map((e) => ({ name: `e${e}`, adapter: undefined, sha256: undefined }));
  const rule = { topK: 1, gate: "unit", temperature: 1 } as const;
  const router: Router = { type: "mlp", hiddenSize: layer.fc1Bias.length, belief: false, layers: [layer], ...rule };
  const mixture: Mixture = { name: "m", hash: "h", baseModel, experts, router };
  const { gates } = await sliced(prepareRouter(mixture, [undefined, undefined], "q8"));
  return packRouterLayer(mixture, 0, { prototypes: [], gate: gates![0], addresses: [0, 0] });
}

/** [T, GATE_WIDTH] by the weights as q8_0 rounds them: up to the next multiple of 4 zeros, behind that nothing is written. */
function hiddenOf({ fc1Weight, fc1Bias }: MlpGate, x: Float32Array): number[] {
  const width = fc1Bias.length;
  const tokens = x.length / HIDDEN;
  const rounded = new Float32Array(fc1Weight.length);
  Q8_0.decode(quantizeQ8_0(fc1Weight), rounded);
  const sums = linear(x, rounded, tokens, HIDDEN, width);
  return Array.from({ length: tokens * GATE_WIDTH }, (_, i) => {
    const row = i % GATE_WIDTH;
    if (row >= 4 * Math.ceil(width / 4)) return UNTOUCHED;
    return row < width ? silu(sums[Math.floor(i / GATE_WIDTH) * width + row]! + fc1Bias[row]!) : 0;
  });
}
