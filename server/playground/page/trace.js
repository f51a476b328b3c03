// A token's routing trace as it comes over the wire, unpacked, and what is read from it.
// It knows nothing of pages; proto/trace.ts packs what this unpacks.

/** @import { LayerChoice } from "../../../proto/api.ts" */
/** @import { PackedTrace } from "../../../proto/messages.ts" */

/**
 * @param {PackedTrace} packed
 * @param {readonly string[]} table The `experts` of `accepted`.
 * @returns {LayerChoice[]} Index = layer.
 */
export function unpackTrace({ perLayer, experts, gates }, table) {
  const uniform = perLayer.length === 1 && perLayer[0] > 0;
  const counts = uniform ? Array(experts.length / perLayer[0]).fill(perLayer[0]) : perLayer;
  let end = 0;
  return counts.map((count) => {
    const start = end;
    end += count;
    return {
      experts: experts.slice(start, end).map((index) => table[index]),
      // No gates at all: every gate is 1
      gates: gates.length === 0 ? Array(count).fill(1) : gates.slice(start, end),
    };
  });
}

/**
 * The expert most layers put first, and in how many; of equals the one of the lower layer.
 * @param {readonly LayerChoice[]} trace
 */
export function dominantExpert(trace) {
  /** @type {Map<string, number>} */
  const votes = new Map();
  for (const { experts } of trace) {
    const first = experts[0] ?? "base";
    votes.set(first, (votes.get(first) ?? 0) + 1);
  }
  let best = { name: "base", layers: 0 };
  for (const [name, layers] of votes) if (layers > best.layers) best = { name, layers };
  return best;
}

/**
 * Share of each expert in all (token, layer) choices, those of several experts shared by their gates; largest first.
 * @param {readonly LayerChoice[][]} traces
 * @returns {[name: string, share: number][]}
 */
export function shares(traces) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  const choices = traces.flat();
  for (const { experts, gates } of choices) {
    const whole = gates.reduce((sum, gate) => sum + Math.abs(gate), 0) || 1;
    for (const [i, name] of experts.entries()) {
      counts.set(name, (counts.get(name) ?? 0) + Math.abs(gates[i]) / whole);
    }
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return [...counts]
    .map(([name, count]) => /** @type {[string, number]} */ ([name, count / total]))
    .sort((a, b) => b[1] - a[1]);
}

/**
 * "math 92 %, base 8 %": those that round to 1 % at least.
 * @param {[name: string, share: number][]} shares
 */
export function describeShares(shares) {
  return shares
    .filter(([, share]) => share >= 0.005)
    .map(([name, share]) => `${name} ${Math.round(share * 100)} %`)
    .join(", ");
}
