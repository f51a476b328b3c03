// What the experiments of perf/thousands.ts share: the base, its thousands of folders, and servers over them.

import type { Routing } from "../../proto/api.ts";
import { folderName } from "./adapter_folders.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { type Served, startServer } from "./molora_server.ts";
import { type Played, Player } from "./player.ts";
import type { Arrival, Workload } from "./workload.ts";

export interface Bench {
  /** The base, as --model takes it. */
  model: string;
  /** The folder of adapters' folders, and how many there are. */
  directory: string;
  count: number;
  /** --pool-bytes of the experiments in which the device is too small. */
  poolBytes: number;
  /** Requests that one measurement takes. */
  requests: number;
  /** Seconds of a measurement in which requests come by themselves. */
  seconds: number;
  /** Requests a second that come by themselves. Default: a part of what the server answers when it always has some waiting. */
  rate?: number;
  /** Tokens of prompts and answers. */
  prompt: readonly [number, number];
  output: readonly [number, number];
  /** Told what goes on. */
  note(line: string): void;
}

/** Requests in the batch, as the server's default has it, and clients that keep it full. */
export const CLIENTS = 32;

export const adapter = (index: number): Routing => ({ adapter: folderName(index) });

export function serverFor({ model, directory }: Bench, flags: readonly string[] = []): Promise<Served> {
  return startServer(["--model", model, "--adapters", directory, ...flags]);
}

export function workloadOf({ prompt, output, seconds }: Bench, own: Partial<Workload>): Workload {
  return { adapters: 8, alpha: 0, rate: 1, cv: 1, seconds, prompt, output, seed: 1, ...own };
}

/** What was counted while a load was played, per request. */
export interface Counted extends Figures {
  /** Adapters that lost their pages on the device; each was, or will be, written there again. */
  deviceMisses: number;
  /** Names that were read from their source. */
  loads: number;
  /** Processor time of the server for each token, which other work on the machine does not lengthen as it does waits. */
  processorMs: number;
}

/** Plays a load, and what the server counted meanwhile. */
export async function measured(
  server: Served,
  play: (player: Player) => Promise<Played[]>,
  routing: (index: number) => Routing = adapter,
): Promise<{ played: Played[]; counted: Counted }> {
  const player = await Player.connect({ url: server.url, routing });
  try {
    const before = await server.metrics();
    const worked = server.processorSeconds();
    const played = await play(player);
    const seconds = server.processorSeconds() - worked;
    const after = await server.metrics();
    const grown = (name: string) => ((after.get(name) ?? 0) - (before.get(name) ?? 0)) / played.length;
    const counts = { deviceMisses: grown("molora_evictions_total"), loads: grown("molora_loads_total") };
    const figures = figuresOf(played);
    const processorMs = (1000 * seconds) / (figures.tokensPerSecond * figures.seconds);
    return { played, counted: { ...figures, ...counts, processorMs } };
  } finally {
    await player.close();
  }
}

/** Asks for each of the first `count` adapters once, shortly, so that they are in memory. */
export async function touchAll(server: Served, count: number): Promise<void> {
  const player = await Player.connect({ url: server.url, routing: adapter });
  const each = Array.from(
    { length: count },
    (_, i): Arrival => ({ at: 0, adapter: i, promptTokens: 1, outputTokens: 1 }),
  );
  const played = await player.closed(each, CLIENTS);
  await player.close();
  const failed = played.find(({ failure }) => failure !== undefined);
  if (failed !== undefined) throw new Error(`${folderName(failed.arrival.adapter)}: ${failed.failure}`);
}
