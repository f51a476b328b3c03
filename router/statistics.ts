// Statistics of routing, from the traces of tokens: the share of each expert, how often it changed, how mixed it was.

import type { TokenTrace } from "../proto/api.ts";

/** Counts over (token, layer) choices. All shares are 0 where nothing was counted. */
export interface RoutingStatistics {
  tokens: number;
  /** In order of first appearance, unless the order was given. */
  experts: string[];
  /** Gate mass of each expert over all of it, [experts]; sums to 1. */
  share: number[];
  /** The same within each layer, [layers][experts]. */
  layerShare: number[][];
  /** Of all steps from a token to the next in a layer, how many changed the first expert. */
  switchRate: number;
  /** The same within each layer, [layers]. */
  layerSwitchRate: number[];
  /** Entropy of `share`, in nats: 0 where one expert did everything, ln(experts) where all did the same. */
  entropy: number;
  /** The same within each layer, [layers]. */
  layerEntropy: number[];
}

/**
 * Statistics of several sequences, each the traces of its tokens in order; a switch is counted within a sequence only.
 * A layer's choice counts by its gates, divided by their sum, so that every token weighs the same in every layer.
 * `experts` fixes the order (and lists those that never won); other names follow as they appear.
 */
export function routingStatistics(
  sequences: Iterable<readonly TokenTrace[]>,
  experts: readonly string[] = [],
): RoutingStatistics {
  const index = new Map(experts.map((name, i) => [name, i]));
  const layers: LayerCounts[] = [];
  let tokens = 0;
  for (const sequence of sequences) {
    let previous: TokenTrace | undefined;
    for (const trace of sequence) {
      tokens++;
      for (const [i, choice] of trace.entries()) {
        layers[i] ??= { mass: [], steps: 0, switches: 0 };
        addChoice(layers[i], choice, index);
        addStep(layers[i], previous?.[i]?.experts[0], choice.experts[0]);
      }
      previous = trace;
    }
  }
  const masses = layers.map(({ mass }) => Array.from({ length: index.size }, (_, e) => mass[e] ?? 0));
  const total = Array.from({ length: index.size }, (_, e) => masses.reduce((sum, mass) => sum + mass[e], 0));
  const switches = layers.reduce((sum, layer) => sum + layer.switches, 0);
  const steps = layers.reduce((sum, layer) => sum + layer.steps, 0);
  return {
    tokens,
    experts: [...index.keys()],
    share: normalise(total),
    layerShare: masses.map(normalise),
    switchRate: switches / Math.max(1, steps),
    layerSwitchRate: layers.map((layer) => layer.switches / Math.max(1, layer.steps)),
    entropy: entropy(normalise(total)),
    layerEntropy: masses.map((mass) => entropy(normalise(mass))),
  };
}

interface LayerCounts {
  mass: number[];
  steps: number;
  switches: number;
}

function addChoice(layer: LayerCounts, choice: TokenTrace[number], index: Map<string, number>): void {
  const sum = choice.gates.reduce((all, gate) => all + gate, 0);
  for (const [i, name] of choice.experts.entries()) {
    if (!index.has(name)) index.set(name, index.size);
    const e = index.get(name)!;
    layer.mass[e] = (layer.mass[e] ?? 0) + (sum === 0 ? 0 : choice.gates[i] / sum);
  }
}

function addStep(layer: LayerCounts, from: string | undefined, to: string | undefined): void {
  if (from === undefined || to === undefined) return;
  layer.steps++;
  if (from !== to) layer.switches++;
}

/** Divided by the sum; zeros stay zeros. */
export function normalise(mass: readonly number[]): number[] {
  const sum = mass.reduce((all, x) => all + x, 0);
  return mass.map((x) => (sum === 0 ? 0 : x / sum));
}

/** Entropy of shares that sum to 1, in nats. */
export function entropy(share: readonly number[]): number {
  return share.reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0);
}
