// The practical limit of stacking: the loss of a domain against the number of adapters stacked on its own.
// The domain's own adapter comes first, then those of the other three, then copies of these with noise on both factors (a tenth of
// their root mean square: about what another training of them would be), up to as many as a token can have. Rules: every weight 1;
// weights 1/n; the own 1 and every other .25, as style and user layers are stacked.
// Usage: node dist/perf/stacking.js DATA [rows: 24] [FILE.svg]
// DATA has a folder for each of the four domains with valid.jsonl.gz in it.

import { writeFileSync } from "node:fs";
import { table } from "../cli/terminal/table.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import { openModelFiles } from "../files/model_files/model_files.ts";
import { nodeHost } from "../node/host.ts";
import { bootstrap, type Interval, pooledMean, type Share } from "../training/evaluation/bootstrap.ts";
import { drawing, element, textAt } from "../training/evaluation/svg.ts";
import { FrozenModel } from "../training/frozen/frozen_model.ts";
import { loadAdapterFolder } from "../training/frozen/load.ts";
import { TextScorer } from "../training/frozen/score.ts";
import { DOMAINS, domainTexts, LENGTH } from "./domain_texts.ts";
import { copyOf } from "./noisy_copies.ts";

const NANO = "models/nano";
const MOST = 8;

const RULES: Record<string, (n: number) => number[]> = {
  "weights 1": (n) => Array(n).fill(1),
  "weights 1/n": (n) => Array(n).fill(1 / n),
  "own 1, others .25": (n) => Array.from({ length: n }, (_, i) => (i === 0 ? 1 : 0.25)),
};

const [data, rowsText = "24", svg] = process.argv.slice(2);
if (data === undefined) throw new Error("usage: node dist/perf/stacking.js DATA [rows] [FILE.svg]");

const files = await openModelFiles(await nodeHost().open(NANO));
const texts = await domainTexts(files, data, Number(rowsText));
const originals: Adapter[] = [];
for (const name of DOMAINS) {
  originals.push(await loadAdapterFolder(nodeHost(), name, `${NANO}/adapters/${name}`, files.config));
}
const copies = originals.flatMap((adapter, i) => [copyOf(adapter, 10 + i), copyOf(adapter, 20 + i)]);
const options = { files, dtype: "auto", mixtures: [], length: LENGTH, texts: 4, scored: true } as const;
const model = await FrozenModel.open(nodeHost(), { ...options, adapters: [...originals, ...copies], stacked: MOST });
const scorer = new TextScorer(model);
const lines: { rule: string; values: Interval[] }[] = [];
for (const [rule, weights] of Object.entries(RULES)) {
  const values: Interval[] = [];
  for (let n = 0; n <= MOST; n++) {
    const shares: Share[] = [];
    for (const [domain, ids] of texts.entries()) {
      const entries = stackOf(domain, n).map((key, i) => ({ key, weight: weights(n)[i] }));
      const plan = n === 0 ? ({ kind: "none" } as const) : ({ kind: "fixed", entries } as const);
      for (const { logprobs } of await scorer.score(ids, { kind: "plan", plan })) {
        shares.push({ sum: -logprobs.reduce((sum, value) => sum + value, 0), tokens: logprobs.length });
      }
    }
    values.push(bootstrap(shares.length, (drawn) => pooledMean(shares, drawn), 0));
    console.error(rule, n, values.at(-1)!.value.toFixed(3));
  }
  lines.push({ rule, values });
}
await model.close();
const shown = ({ value, low, high }: Interval) => `${value.toFixed(3)} (${low.toFixed(2)}–${high.toFixed(2)})`;
const head = ["adapters", ...lines.map(({ rule }) => rule)];
console.log(
  table(
    head,
    Array.from({ length: MOST + 1 }, (_, n) => [String(n), ...lines.map(({ values }) => shown(values[n]))]),
  ),
);
if (svg !== undefined) writeFileSync(svg, `${chart()}\n`);

/** Keys of the own adapter, the other domains' in a turn of its own for each domain, and their copies. */
function stackOf(domain: number, n: number): string[] {
  const others = [1, 2, 3].map((step) => (domain + step) % 4);
  const order = [domain, ...others, ...others.map((i) => 4 + 2 * i), 4 + 2 * others[0] + 1];
  return order.slice(0, n).map((i) => model.adapters[i].key);
}

/** Heights of labels, none nearer to another than a line of text. */
function apart(heights: readonly number[]): number[] {
  const order = heights.map((_, i) => i).sort((i, j) => heights[i] - heights[j]);
  const out = [...heights];
  for (const [n, i] of order.entries()) if (n > 0) out[i] = Math.max(out[i], out[order[n - 1]] + 14);
  return out;
}

/** Losses against the number of adapters, cut above at 6 nats. */
function chart(): string {
  const [width, height, left, right, top, bottom] = [720, 300, 48, 560, 16, 260];
  const colors = ["#b91c1c", "#1d4ed8", "#15803d"];
  const all = lines.flatMap(({ values }) => values.map(({ value }) => value)).filter((value) => value < 6);
  const [least, most] = [Math.floor(Math.min(...all) * 2) / 2, Math.min(6, Math.ceil(Math.max(...all) * 2) / 2)];
  const x = (n: number) => left + ((right - left) * n) / MOST;
  const y = (value: number) => bottom - ((bottom - top) * (Math.min(value, most) - least)) / (most - least);
  const marks = Array.from({ length: Math.round((most - least) * 2) + 1 }, (_, i) => least + i / 2);
  const text = { "font-size": 12, "font-family": "sans-serif", fill: "#6b7280" };
  const ends = apart(lines.map(({ values }) => y(values.at(-1)!.value)));
  return drawing(width, height, "Loss against the number of stacked adapters", [
    ...marks.flatMap((mark) => [
      element("line", { x1: left, x2: right, y1: y(mark), y2: y(mark), stroke: "#9ca3af", "stroke-opacity": 0.35 }),
      textAt(8, y(mark) + 4, mark.toFixed(1), text),
    ]),
    ...Array.from({ length: MOST + 1 }, (_, n) => textAt(x(n) - 3, bottom + 18, String(n), text)),
    textAt(left, height - 4, "adapters stacked; 0 is the base, 1 the domain's own (nats a token, drawn up to 6)", text),
    ...lines.flatMap(({ rule, values }, i) => [
      element("polyline", {
        points: values.map(({ value }, n) => `${x(n).toFixed(1)},${y(value).toFixed(1)}`).join(" "),
        fill: "none",
        stroke: colors[i],
        "stroke-width": 2,
      }),
      textAt(right + 8, ends[i] + 4, rule, { ...text, fill: colors[i] }),
    ]),
  ]).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ');
}
