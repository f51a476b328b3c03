// The study's plots as files of their own: what a page draws, with the page's colours in it.

import { scale } from "../../training/evaluation/charts.ts";
import { STYLE } from "../../training/evaluation/page_style.ts";
import { drawing, element, textAt } from "../../training/evaluation/svg.ts";

export interface Point {
  x: number;
  y: number;
  strong: boolean;
}

export function scatter(title: string, xLabel: string, yLabel: string, points: readonly Point[]): string {
  const [width, height, left, right] = [760, 320, 60, 16];
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  const x = scale(Math.min(...xs), Math.max(...xs), left, width - right);
  const y = scale(Math.min(...ys), Math.max(...ys), height - 44, 26);
  const grid = [
    ...y.marks.flatMap((mark) => [
      element("line", { x1: left, x2: width - right, y1: y.at(mark), y2: y.at(mark), class: "grid" }),
      textAt(left - 8, y.at(mark) + 4, round(mark), { "text-anchor": "end", class: "mark" }),
    ]),
    ...x.marks.map((mark) => textAt(x.at(mark), height - 26, round(mark), { "text-anchor": "middle", class: "mark" })),
    textAt((left + width - right) / 2, height - 8, xLabel, { "text-anchor": "middle", class: "mark" }),
    textAt(left, 14, yLabel, { class: "mark" }),
  ];
  const dots = points.map((point) =>
    element("circle", {
      cx: x.at(point.x),
      cy: y.at(point.y),
      r: 3,
      class: `dot ${point.strong ? "strong" : "plain"}`,
    }),
  );
  return drawing(width, height, title, [...grid, ...dots]);
}

/** The drawing of a figure as an SVG file. */
export function standalone(figure: string): string {
  const body = figure.slice(figure.indexOf("<svg"), figure.indexOf("</svg>") + "</svg>".length);
  const ground = '<rect width="100%" height="100%" style="fill:var(--ground)"/>';
  const opened = body.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
  const at = opened.indexOf(">") + 1;
  return `${opened.slice(0, at)}<style>${rules()}</style>${ground}${opened.slice(at)}\n`;
}

/** Those of the page's rules that drawings use. */
function rules(): string {
  const lines = STYLE.split("\n").filter((line) => /^(:root|@media| {2}:root|}|svg|\.)/.test(line));
  return lines.filter((line) => !/^\.(headline|note|wide)/.test(line)).join("\n");
}

function round(value: number): string {
  return String(Math.round(value * 1000) / 1000);
}
