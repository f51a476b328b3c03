// Measures how a router chose: load, entropy, switches, and agreement with the labels, also by tokens since a switch.

import { UNLABELLED } from "../data/labels.ts";
import type { TextRouting } from "../frozen/score.ts";
import type { Bin, LayerRouting, RoutingReport } from "./report.ts";
import { type EvaluatedText, sinceSwitch } from "./texts.ts";

export const BINS: Bin[] = [
  [0, 0],
  [1, 1],
  [2, 3],
  [4, 7],
  [8, 15],
  [16, 31],
  [32, 63],
  [64, null],
];

export function routingReport(
  texts: readonly EvaluatedText[],
  routings: readonly TextRouting[],
  experts: number,
): RoutingReport {
  const layers = routings[0]?.experts.length ?? 0;
  const since = texts.map(sinceSwitch);
  const labels = texts.map(({ labels }) => labels);
  const changes = labels.map((list) => switchesOf(list.filter((label) => label !== UNLABELLED)));
  return {
    labelSwitches: (100 * sum(changes)) / Math.max(1, sum(labels.map(({ length }) => length))),
    layers: Array.from({ length: layers }, (_, layer) => layerRouting(routings, labels, since, layer, experts)),
  };
}

function layerRouting(
  routings: readonly TextRouting[],
  labels: readonly (readonly number[])[],
  since: readonly (readonly (number | undefined)[])[],
  layer: number,
  experts: number,
): LayerRouting {
  const load = new Array<number>(experts).fill(0);
  const bins = BINS.map(() => ({ agreed: 0, tokens: 0 }));
  const whole = { agreed: 0, tokens: 0 };
  let tokens = 0;
  let entropy = 0;
  let switches = 0;
  for (const [text, routing] of routings.entries()) {
    const choices = routing.experts[layer];
    tokens += choices.length;
    entropy += sum(routing.entropies[layer]);
    switches += switchesOf(choices);
    for (const [t, choice] of choices.entries()) {
      load[choice]++;
      const label = labels[text][t];
      if (label === UNLABELLED) continue;
      const past = since[text][t];
      for (const count of past === undefined ? [whole] : [whole, bins[binOf(past)]]) {
        count.tokens++;
        count.agreed += choice === label ? 1 : 0;
      }
    }
  }
  const all = Math.max(1, tokens);
  return {
    load: load.map((count) => count / all),
    entropy: entropy / all,
    agreement: whole.agreed / Math.max(1, whole.tokens),
    switches: (100 * switches) / all,
    sinceSwitch: bins.map(({ agreed, tokens }) => (tokens === 0 ? null : agreed / tokens)),
  };
}

function binOf(past: number): number {
  return BINS.findIndex(([first, last]) => past >= first && (last === null || past <= last));
}

function switchesOf(choices: ArrayLike<number>): number {
  let count = 0;
  for (let t = 1; t < choices.length; t++) count += choices[t] === choices[t - 1] ? 0 : 1;
  return count;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
