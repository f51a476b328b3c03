// Requests that come by themselves, over all registered adapters: alike, by a power law, and in bursts.

import { type Bench, CLIENTS, type Counted, measured, serverFor, workloadOf } from "./bench.ts";
import { firstTokenMs, type Spread, spreadOf } from "./figures.ts";
import { arrivalsOf, requestsOf, type Workload } from "./workload.ts";

export interface ArrivalsResult {
  /** Requests a second that the server answers when it always has some waiting. */
  most: number;
  loads: ({ name: string; workload: Workload; firstTokens: number[]; gaps: number[] } & Counted & {
      /** Of requests whose adapter nobody had asked for before, and of the others. */
      cold: Spread & { requests: number };
      warm: Spread & { requests: number };
    })[];
}

/** Of the most that the server answers. */
const USUAL = 0.6;
/** `times`: the usual rate. */
const LOADS: { name: string; alpha: number; cv: number; times: number }[] = [
  { name: "uniform", alpha: 0, cv: 1, times: 1 },
  { name: "power law", alpha: 1, cv: 1, times: 1 },
  { name: "power law, bursty (cv 4)", alpha: 1, cv: 4, times: 1 },
  { name: "power law, twice as many", alpha: 1, cv: 1, times: 2 },
];

/** Each load on a server of its own, which has read no adapter yet. `hostBytes`: what of them it may keep in memory. */
export async function arrivals(bench: Bench): Promise<ArrivalsResult> {
  const flags = ["--pool-bytes", String(bench.poolBytes)];
  const result: ArrivalsResult = { most: await mostOf(bench, flags), loads: [] };
  bench.note(`at most ${result.most.toFixed(1)} requests/s`);
  const usual = bench.rate ?? USUAL * result.most;
  for (const { name, alpha, cv, times } of LOADS) {
    const workload = workloadOf(bench, { adapters: bench.count, alpha, cv, rate: times * usual, seed: 41 });
    const server = await serverFor(bench, flags);
    try {
      const { played, counted } = await measured(server, (player) => player.open(arrivalsOf(workload)));
      const good = played.filter(({ failure }) => failure === undefined);
      const seen = new Set<number>();
      const [cold, warm]: [number[], number[]] = [[], []];
      for (const one of good.toSorted((a, b) => a.asked - b.asked)) {
        (seen.has(one.arrival.adapter) ? warm : cold).push(firstTokenMs(one));
        seen.add(one.arrival.adapter);
      }
      result.loads.push({
        name,
        workload,
        ...counted,
        firstTokens: good.map(firstTokenMs),
        gaps: good.flatMap(({ tokens }) => tokens.slice(1).map((time, i) => time - tokens[i])),
        cold: { ...spreadOf(cold), requests: cold.length },
        warm: { ...spreadOf(warm), requests: warm.length },
      });
      const { p50, p99 } = counted.firstTokenMs;
      bench.note(`${name}: first token p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`);
    } finally {
      await server.stop();
    }
  }
  return result;
}

/** With as many clients as the batch has room for, on warm adapters by the power law. */
async function mostOf(bench: Bench, flags: readonly string[]): Promise<number> {
  const server = await serverFor(bench, flags);
  try {
    const load = workloadOf(bench, { adapters: bench.count, alpha: 1, seed: 40 });
    await measured(server, (player) => player.closed(requestsOf(load, bench.requests / 2), CLIENTS));
    const { counted } = await measured(server, (player) => player.closed(requestsOf(load, bench.requests), CLIENTS));
    return counted.requestsPerSecond;
  } finally {
    await server.stop();
  }
}
