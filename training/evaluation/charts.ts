// The report's charts: losses with intervals, the curve of training, heat-maps. Colours are the page's (page_style.ts).

import type { Interval } from "./bootstrap.ts";
import { drawing, element, escaped, textAt } from "./svg.ts";

/** A linear scale with round marks. */
export interface Scale {
  at(value: number): number;
  marks: number[];
}

export function scale(least: number, most: number, from: number, to: number): Scale {
  const span = Math.max(most - least, 1e-9);
  const step = [1, 2, 5].map((unit) => unit * 10 ** Math.floor(Math.log10(span / 4))).find((size) => span / size <= 6);
  const size = step ?? 10 ** Math.ceil(Math.log10(span / 4));
  const low = Math.floor(least / size) * size;
  const high = Math.ceil(most / size) * size;
  const count = Math.round((high - low) / size);
  return {
    at: (value) => from + ((value - low) / (high - low)) * (to - from),
    marks: Array.from({ length: count + 1 }, (_, i) => low + i * size),
  };
}

function markText(value: number): string {
  return String(Math.round(value * 1000) / 1000);
}

export interface DotRow {
  label: string;
  interval: Interval;
  strong: boolean;
}

const ROW = 24;
const LABELS = 270;

/** One row for each policy: its mean, and its interval as a bar through it. */
export function dotPlot(title: string, rows: readonly DotRow[]): string {
  const width = 760;
  const height = rows.length * ROW + 40;
  const values = rows.flatMap(({ interval }) => [interval.low, interval.high]);
  const x = scale(Math.min(...values), Math.max(...values), LABELS, width - 60);
  const grid = x.marks.flatMap((mark) => [
    element("line", { x1: x.at(mark), x2: x.at(mark), y1: 8, y2: height - 28, class: "grid" }),
    textAt(x.at(mark), height - 10, markText(mark), { "text-anchor": "middle", class: "mark" }),
  ]);
  const dots = rows.flatMap(({ label, interval: { value, low, high }, strong }, i) => {
    const y = 20 + i * ROW;
    const kind = strong ? "strong" : "plain";
    return [
      textAt(LABELS - 12, y + 4, label, { "text-anchor": "end", class: kind }),
      element("line", { x1: x.at(low), x2: x.at(high), y1: y, y2: y, class: `whisker ${kind}` }),
      element("circle", { cx: x.at(value), cy: y, r: strong ? 5 : 4, class: `dot ${kind}` }),
      textAt(width - 4, y + 4, value.toFixed(3), { "text-anchor": "end", class: kind }),
    ];
  });
  return figure(title, drawing(width, height, title, [...grid, ...dots]));
}

export interface Line {
  label: string;
  points: readonly (readonly [x: number, y: number])[];
}

const LINE_CLASSES = ["line-a", "line-b"];

/** Lines over a common axis; the second may have few points, which are shown. */
export function curve(title: string, xLabel: string, lines: readonly Line[]): string {
  const [width, height, left, right] = [760, 260, 52, 16];
  const points = lines.flatMap((line) => line.points);
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const x = scale(Math.min(...xs), Math.max(...xs), left, width - right);
  const y = scale(Math.min(...ys), Math.max(...ys), height - 44, 12);
  const grid = [
    ...y.marks.flatMap((mark) => [
      element("line", { x1: left, x2: width - right, y1: y.at(mark), y2: y.at(mark), class: "grid" }),
      textAt(left - 8, y.at(mark) + 4, markText(mark), { "text-anchor": "end", class: "mark" }),
    ]),
    ...x.marks.map((mark) =>
      textAt(x.at(mark), height - 26, markText(mark), { "text-anchor": "middle", class: "mark" }),
    ),
    textAt((left + width - right) / 2, height - 8, xLabel, { "text-anchor": "middle", class: "mark" }),
  ];
  const drawn = lines.flatMap(({ label, points }, i) => {
    const name = LINE_CLASSES[i % LINE_CLASSES.length];
    const path = points.map(([px, py]) => `${x.at(px).toFixed(1)},${y.at(py).toFixed(1)}`).join(" ");
    const dots = points.length > 40 ? [] : points.map(([px, py]) => circle(x.at(px), y.at(py), name));
    return [
      element("polyline", { points: path, class: name, fill: "none" }),
      ...dots,
      textAt(width - right - 8, 26 + 16 * i, label, { "text-anchor": "end", class: `legend ${name}` }),
    ];
  });
  return figure(title, drawing(width, height, title, [...grid, ...drawn]));
}

function circle(cx: number, cy: number, name: string): string {
  return element("circle", { cx, cy, r: 3, class: name });
}

/** Cells from 0 (the page's ground) to `full` (its accent); null where nothing was measured. */
export function heatMap(
  title: string,
  rowLabels: readonly string[],
  columnLabels: readonly string[],
  cells: readonly (readonly (number | null)[])[],
  full = 1,
): string {
  const [cellWidth, cellHeight, top] = [68, 22, 26];
  const left = Math.max(76, 12 + 7 * Math.max(...rowLabels.map(({ length }) => length)));
  const width = left + columnLabels.length * cellWidth + 8;
  const height = top + rowLabels.length * cellHeight + 8;
  const head = columnLabels.map((label, c) =>
    textAt(left + (c + 0.5) * cellWidth, top - 8, label, { "text-anchor": "middle", class: "mark" }),
  );
  const body = rowLabels.flatMap((label, r) => [
    textAt(left - 8, top + (r + 0.5) * cellHeight + 4, label, { "text-anchor": "end", class: "mark" }),
    ...cells[r].flatMap((value, c) => {
      if (value === null) return [];
      const [x, y] = [left + c * cellWidth, top + r * cellHeight];
      const size = { x: x + 1, y: y + 1, width: cellWidth - 2, height: cellHeight - 2 };
      return [
        element("rect", { ...size, class: "cell", "fill-opacity": Math.max(0.02, Math.min(1, value / full)) }),
        textAt(x + cellWidth / 2, y + cellHeight / 2 + 4, value.toFixed(2), {
          "text-anchor": "middle",
          class: value > 0.55 * full ? "on-cell" : "mark",
        }),
      ];
    }),
  ]);
  return figure(title, drawing(width, height, title, [...head, ...body]));
}

function figure(title: string, body: string): string {
  return element("figure", {}, element("figcaption", {}, escaped(title)), body);
}
