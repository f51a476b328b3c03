// Whether anybody is left waiting: single requests of many adapters beside one adapter that is asked for without end, and
// a mixture, which needs all its experts at once, beside them.

import { readFileSync } from "node:fs";
import type { Routing } from "../../proto/api.ts";
import { MoloraClient } from "../../proto/client.ts";
import { adapter, type Bench, CLIENTS, serverFor, workloadOf } from "./bench.ts";
import { firstTokenMs, type Spread, spreadOf } from "./figures.ts";
import { Player } from "./player.ts";
import { arrivalsOf, requestsOf } from "./workload.ts";

export interface Crowd {
  /** Waits for the first token, in milliseconds. */
  flood: Spread & { requests: number };
  single: Spread & { requests: number; adapters: number };
  /** The longest wait of one adapter's requests on average: of all adapters, the one that was served worst. */
  worstAdapterMs: number;
  mixture?: { asked: number; asAlone: number; firstTokenMs: Spread; experts: number };
}

/** Clients of the one adapter: four batches full. */
const FLOOD = 4 * CLIENTS;

/** `mixture`: a folder with one for this base. */
export async function crowd(bench: Bench, mixture: string | undefined): Promise<Crowd> {
  const flags = ["--pool-bytes", String(bench.poolBytes)];
  if (mixture !== undefined) flags.push("--mixture", `mixed=${mixture}`);
  const server = await serverFor(bench, flags);
  const player = await Player.connect({ url: server.url, routing: adapter });
  const client = await MoloraClient.connect(server.url);
  try {
    const alone = mixture === undefined ? undefined : await textOf(client, { mixture: "mixed" });
    const flood = player.closed(requestsOf(workloadOf(bench, { adapters: 1, seed: 51 }), 3 * bench.requests), FLOOD);
    let isOver = false;
    const over = flood.then(() => {
      isOver = true;
    });
    const load = workloadOf(bench, { adapters: bench.count - 1, rate: 4, seed: 52 });
    const singles = arrivalsOf(load).map((one) => ({ ...one, adapter: one.adapter + 1 }));
    const single = player.open(singles);
    const mixed: { text: string; first: number }[] = [];
    while (alone !== undefined && !isOver) {
      mixed.push(await textOf(client, { mixture: "mixed" }));
      await Promise.race([over, new Promise((resolve) => setTimeout(resolve, 200))]);
    }
    const [many, few] = [await flood, await single];
    const firsts = few.map(firstTokenMs);
    const byAdapter = grouped(few);
    const worst = [...byAdapter.values()].map((own) => mean(own.map(firstTokenMs)));
    bench.note(`longest wait of a single request ${Math.max(...firsts).toFixed(0)} ms`);
    return {
      flood: { ...spreadOf(many.map(firstTokenMs)), requests: many.length },
      single: { ...spreadOf(firsts), requests: few.length, adapters: byAdapter.size },
      worstAdapterMs: Math.max(...worst),
      ...(alone && mixture
        ? {
            mixture: {
              asked: mixed.length,
              asAlone: mixed.filter(({ text }) => text === alone.text).length,
              firstTokenMs: spreadOf(mixed.map(({ first }) => first)),
              experts: JSON.parse(readFileSync(`${mixture}/mixture.json`, "utf8")).experts.length,
            },
          }
        : {}),
    };
  } finally {
    await client.close();
    await player.close();
    await server.stop();
  }
}

async function textOf(client: MoloraClient, routing: Routing): Promise<{ text: string; first: number }> {
  const asked = performance.now();
  let [text, first] = ["", 0];
  for await (const event of client.generate({
    prompt: "How many singers are there?\nTable columns: age, name, singer",
    maxTokens: 24,
    ignoreEos: true,
    ...routing,
  })) {
    if (first === 0) first = performance.now() - asked;
    text += event.text;
  }
  return { text, first };
}

function grouped<T extends { arrival: { adapter: number } }>(all: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const one of all) groups.set(one.arrival.adapter, [...(groups.get(one.arrival.adapter) ?? []), one]);
  return groups;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
