// From experts' logits to gates, in float64: temperature, top-k with ties to the lower index, unit or softmax weights.
// A logit of -Infinity marks an expert that never wins.

import type { Numbers } from "./linear.ts";
import { softmax } from "./softmax.ts";

export interface GateRule {
  topK: number;
  gate: "unit" | "softmax";
  temperature: number;
}

/** logits: [T, E]. Returns gates [T, E], zero for experts not kept, and kept: [T][≤ topK], best first. */
export function topKGates(logits: Numbers, experts: number, rule: GateRule): { gates: Float64Array; kept: number[][] } {
  const gates = new Float64Array(logits.length);
  const kept: number[][] = [];
  for (let row = 0; row < logits.length; row += experts) {
    const values = Array.from({ length: experts }, (_, e) => logits[row + e]);
    const order = values
      .map((_, e) => e)
      .filter((e) => values[e] > -Infinity)
      .sort((left, right) => values[right] - values[left] || left - right)
      .slice(0, rule.topK);
    const p = softmax(values.map((value) => value / rule.temperature));
    const total = order.reduce((sum, e) => sum + p[e], 0);
    for (const e of order) gates[row + e] = rule.gate === "unit" ? 1 / rule.topK : p[e] / total;
    kept.push(order);
  }
  return { gates, kept };
}
