// Draws what routing did for a terminal: shares in a line, bars, each layer's shares, a map of layers × tokens.

import type { TokenTrace } from "../../proto/api.ts";
import type { RoutingStatistics } from "../../router/statistics.ts";
import type { Palette } from "../terminal/palette.ts";

const BAR_WIDTH = 32;
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];
const HEIGHTS = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

export function percent(share: number): string {
  // A small share must not look like none
  return share > 0 && share < 0.005 ? "<1 %" : `${Math.round(share * 100)} %`;
}

/** `math 96 %, medical 4 %`: the largest first, without those that have no share. */
export function sharesLine({ experts, share }: RoutingStatistics, palette: Palette): string {
  return experts
    .map((name, e) => ({ name, share: share[e] }))
    .filter(({ share }) => share > 0)
    .sort((a, b) => b.share - a.share)
    .map(({ name, share }) => palette.paint(name, `${name} ${percent(share)}`))
    .join(palette.dim(", "));
}

/** One line for each expert: its bar, its share of all, and its share in every layer as a row of little columns. */
export function shareRows({ experts, share, layerShare }: RoutingStatistics, palette: Palette): string[] {
  const width = Math.max(...experts.map((name) => name.length));
  return experts.map((name, e) => {
    const columns = layerShare.map((layer) => HEIGHTS[Math.round(layer[e] * 8)] ?? " ").join("");
    const cells = [name.padEnd(width), bar(share[e]), columns].map((cell) => palette.paint(name, cell));
    return `${cells[0]}  ${cells[1]} ${percent(share[e]).padStart(5)}   ${cells[2]}`;
  });
}

/** The heading of `shareRows`. */
export function shareHead({ experts, layerShare }: RoutingStatistics): string {
  const width = Math.max(...experts.map((name) => name.length));
  const layers = `share of each layer, 0 to ${layerShare.length - 1}`;
  return `${" ".repeat(width + 2)}${"share of all choices".padEnd(BAR_WIDTH + 9)}${layers}`;
}

/**
 * The expert that each layer put first: two layers a line, one column a token (every n-th, where `columns` do not hold
 * all). Empty without colours.
 */
export function routingMap(traces: readonly TokenTrace[], palette: Palette, columns: number): string[] {
  if (!palette.colors || traces.length === 0) return [];
  const step = Math.ceil(traces.length / columns);
  const shown = traces.filter((_, t) => t % step === 0);
  const layers = shown[0].length;
  const cell = (trace: TokenTrace, layer: number) => {
    const upper = trace[layer].experts[0];
    return layer + 1 < layers ? palette.halves(upper, trace[layer + 1].experts[0]) : palette.paint(upper, "▀");
  };
  return Array.from({ length: Math.ceil(layers / 2) }, (_, line) =>
    shown.map((trace) => cell(trace, 2 * line)).join(""),
  );
}

/** The ruler over a map of several turns: each turn's number where it begins. `lengths`: tokens of each turn. */
export function mapRuler(lengths: readonly number[], columns: number): string {
  const all = lengths.reduce((sum, length) => sum + length, 0);
  const step = Math.ceil(all / columns);
  let ruler = "";
  let begun = 0;
  for (const [i, length] of lengths.entries()) {
    ruler = `${ruler.padEnd(Math.ceil(begun / step))}${i + 1}`;
    begun += length;
  }
  return ruler;
}

function bar(share: number): string {
  const eighths = Math.round(share * BAR_WIDTH * 8);
  return ("█".repeat(eighths >> 3) + EIGHTHS[eighths & 7]).padEnd(BAR_WIDTH);
}
