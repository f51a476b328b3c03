// The experiments of perf/thousands.ts as Markdown tables and as plots.

import type { ArrivalsResult } from "./arrivals.ts";
import type { Counted } from "./bench.ts";
import type { BeyondCapacity } from "./beyond_capacity.ts";
import type { Crowd } from "./crowd.ts";
import type { Figures } from "./figures.ts";
import { SLO_SECONDS } from "./figures.ts";
import { distribution, lineChart } from "./plot.ts";
import type { SameSet } from "./same_set.ts";
import type { Tiers } from "./tiers.ts";

export interface Thousands {
  model: string;
  registered: number;
  same?: SameSet;
  capacity?: BeyondCapacity;
  arrivals?: ArrivalsResult;
  tiers?: Tiers;
  crowd?: Crowd;
}

export function markdown({ model, registered, same, capacity, arrivals, tiers, crowd }: Thousands): string {
  const parts = [`## ${registered} adapters on ${model}`];
  if (same !== undefined) parts.push(sameText(same));
  if (capacity !== undefined) parts.push(capacityText(capacity));
  if (arrivals !== undefined) parts.push(arrivalsText(arrivals));
  if (tiers !== undefined) parts.push(tiersText(tiers));
  if (crowd !== undefined) parts.push(crowdText(crowd));
  return `${parts.join("\n\n")}\n`;
}

/** SVG by file name. */
export function plots({ capacity, arrivals }: Thousands): Map<string, string> {
  const files = new Map<string, string>();
  if (capacity !== undefined) {
    const { lines } = capacity;
    const named = lines.map((line) => ({
      ...line,
      name: `${line.alpha === 0 ? "uniform" : "power law"}, ${line.eviction}`,
    }));
    const chart = (title: string, y: string, of: (size: BeyondCapacity["lines"][0]["sizes"][0]) => number) =>
      lineChart({
        ...{ title, y, x: "adapters in turn ÷ what the device holds" },
        series: named.map(({ name, sizes }) => ({ name, points: sizes.map((size) => [size.factor, of(size)]) })),
      });
    const throughput = (size: Figures) => size.tokensPerSecond;
    files.set("capacity_throughput.svg", chart("Beyond the device's capacity: throughput", "tokens/s", throughput));
    files.set(
      "capacity_misses.svg",
      chart("Beyond it: adapters written a request", "misses", (size) => size.deviceMisses),
    );
  }
  if (arrivals !== undefined) {
    const chart = (title: string, x: string, of: (load: ArrivalsResult["loads"][0]) => number[]) =>
      lineChart({
        ...{ title, x, y: "share of them", logX: true, marks: false },
        series: arrivals.loads.map((load) => ({ name: load.name, points: distribution(of(load)) })),
      });
    files.set(
      "first_token.svg",
      chart("Time to the first token", "ms", ({ firstTokens }) => firstTokens),
    );
    files.set(
      "inter_token.svg",
      chart("Time between tokens", "ms (less than 1: 1)", ({ gaps }) => gaps.map((gap) => Math.max(gap, 1))),
    );
  }
  return files;
}

function sameText({ registered, few, many, ratios, ratio, processorRatio, residentBytes }: SameSet): string {
  const row = (name: string, all: readonly Counted[], bytes: number) => [
    name,
    all.map(({ tokensPerSecond }) => fixed(tokensPerSecond)).join(", "),
    fixed(middle(all.map(({ processorMs }) => processorMs)), 2),
    fixed(middle(all.map(({ firstTokenMs }) => firstTokenMs.p50))),
    fixed(middle(all.map(({ interTokenMs }) => interTokenMs.p50)), 1),
    fixed(middle(all.map(({ interTokenMs }) => interTokenMs.p99)), 1),
    fixed(bytes / 2 ** 20),
  ];
  const rows = [row("8", few, residentBytes.few), row(String(registered), many, residentBytes.many)];
  const head = [
    "registered",
    "tokens/s, each round",
    "processor, ms a token",
    "first token p50, ms",
    "between tokens p50, ms",
    "p99, ms",
    "resident, MiB",
  ];
  return `The same load on 8 adapters, with more and more of them registered:\n\n${table(head, rows)}\n\nThroughput with all ÷ with 8: **${fixed(ratio, 3)}** (${ratios.map((one) => fixed(one, 3)).join(", ")}); processor time a token with 8 ÷ with all: **${fixed(processorRatio, 3)}**.`;
}

function capacityText({ capacity, poolBytes, lines }: BeyondCapacity): string {
  const rows = lines.flatMap(({ eviction, alpha, sizes }) =>
    sizes.map((size) => [
      alpha === 0 ? "uniform" : `power law, ${alpha}`,
      eviction,
      `${size.factor} (${size.workingSet})`,
      fixed(size.deviceMisses, 2),
      fixed(size.tokensPerSecond),
      fixed(size.tokensPerSecond / sizes[0].tokensPerSecond, 2),
      fixed(size.processorMs, 2),
      fixed(size.firstTokenMs.p50),
      fixed(size.firstTokenMs.p99),
      fixed(size.interTokenMs.p99, 1),
    ]),
  );
  const head = [
    "asked for",
    "eviction",
    "set ÷ capacity",
    "misses a request",
    "tokens/s",
    "÷ at half",
    "processor, ms a token",
    "first token p50, ms",
    "p99",
    "between tokens p99, ms",
  ];
  return `A pool of ${fixed(poolBytes / 2 ** 20)} MiB, which holds ${capacity} of the adapters beside a full batch's KV:\n\n${table(head, rows)}`;
}

function arrivalsText({ most, loads }: ArrivalsResult): string {
  const rows = loads.map((load) => [
    load.name,
    fixed(load.workload.rate, 1),
    fixed(load.tokensPerSecond),
    `${load.requests} of ${load.adapters}`,
    String(load.failed),
    `${fixed(load.warm.p50)} / ${fixed(load.warm.p99)}`,
    `${fixed(load.cold.p50)} / ${fixed(load.cold.p99)} (${load.cold.requests})`,
    `${fixed(load.interTokenMs.p50, 1)} / ${fixed(load.interTokenMs.p99, 1)}`,
    `${fixed(100 * load.sloAttainment, 1)} %`,
  ]);
  const head = [
    "arrivals",
    "requests/s",
    "tokens/s",
    "requests, adapters",
    "failed",
    "first token, warm, p50 / p99, ms",
    "cold (first of their adapter)",
    "between tokens",
    `first token in ${SLO_SECONDS} s`,
  ];
  return `Requests by themselves, over all adapters (the server answers ${fixed(most, 1)} a second at most):\n\n${table(head, rows)}`;
}

function tiersText({ requests, ...tiers }: Tiers): string {
  const names = { device: "on the device", host: "in host memory", source: "in its folder", again: "the same again" };
  const rows = Object.entries(names).map(([tier, name]) => {
    const { p50, p90, max } = tiers[tier as keyof typeof tiers];
    return [name, fixed(p50, 1), fixed(p90, 1), fixed(max, 1)];
  });
  return `First tokens of single requests, by where the adapter lies (${requests} each), ms:\n\n${table(["", "p50", "p90", "longest"], rows)}`;
}

function crowdText({ flood, single, worstAdapterMs, mixture }: Crowd): string {
  const rows = [
    [
      "one adapter, 128 clients without end",
      String(flood.requests),
      fixed(flood.p50),
      fixed(flood.p99),
      fixed(flood.max),
    ],
    [
      `single requests of ${single.adapters} others`,
      String(single.requests),
      fixed(single.p50),
      fixed(single.p99),
      fixed(single.max),
    ],
  ];
  if (mixture !== undefined) {
    const { firstTokenMs: first } = mixture;
    rows.push([
      `a mixture of ${mixture.experts} experts`,
      String(mixture.asked),
      fixed(first.p50),
      fixed(first.p99),
      fixed(first.max),
    ]);
  }
  const whole =
    mixture === undefined
      ? ""
      : ` Of ${mixture.asked} texts of the mixture ${mixture.asAlone} are those it gives alone.`;
  return `Waits for the first token, ms:\n\n${table(["who", "requests", "p50", "p99", "longest"], rows)}\n\nThe adapter that was served worst waited ${fixed(worstAdapterMs)} ms on average.${whole}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function fixed(value: number, digits = 0): string {
  return Number.isNaN(value) ? "–" : value.toFixed(digits);
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
