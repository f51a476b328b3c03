// Extends a trained router by rows for new experts.
// Whoever trains it decides which rows may change.

import type { MlpGate } from "../../router/mixture.ts";
import { Random } from "../random.ts";
import { type GateShape, outputsOf } from "./parameters.ts";

/** Belief in a new expert starts low, or it would take every token before it has learned which to take. */
const NEW_BIAS = -4;

/** `gates` of `shape.experts` experts with `added` further rows of fc2 behind these, before the switch row. */
export function extendGates(
  gates: readonly MlpGate[],
  shape: GateShape,
  added: number,
  seed: number,
): { gates: MlpGate[]; shape: GateShape } {
  const { experts, hidden } = shape;
  const outputs = outputsOf(shape);
  const extended = gates.map((gate, layer) => {
    const random = new Random(seed, layer, 0xe7d);
    const rows = Float32Array.from({ length: added * hidden }, () => (2 * random.next() - 1) / Math.sqrt(hidden));
    const fc2Weight = new Float32Array((outputs + added) * hidden);
    fc2Weight.set(gate.fc2Weight.subarray(0, experts * hidden));
    fc2Weight.set(rows, experts * hidden);
    fc2Weight.set(gate.fc2Weight.subarray(experts * hidden), (experts + added) * hidden);
    const fc2Bias = new Float32Array(outputs + added).fill(NEW_BIAS);
    fc2Bias.set(gate.fc2Bias.subarray(0, experts));
    fc2Bias.set(gate.fc2Bias.subarray(experts), experts + added);
    return { fc1Weight: gate.fc1Weight, fc1Bias: gate.fc1Bias, fc2Weight, fc2Bias };
  });
  return { gates: extended, shape: { ...shape, experts: experts + added } };
}
