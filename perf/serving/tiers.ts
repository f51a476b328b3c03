// How long one request waits for its first token, by where its adapter lies: on the device, in host memory, or where it was
// written. One request at a time, so that nothing else is waited for.

import { adapter, type Bench, serverFor, touchAll } from "./bench.ts";
import { firstTokenMs, type Spread, spreadOf } from "./figures.ts";
import type { Served } from "./molora_server.ts";
import { Player } from "./player.ts";

export interface Tiers {
  /** First tokens, in milliseconds; `again`: the same adapters, asked once more at once. */
  device: Spread;
  host: Spread;
  source: Spread;
  again: Spread;
  /** Requests of each. */
  requests: number;
}

const REQUESTS = 40;

export async function tiers(bench: Bench): Promise<Tiers> {
  const server = await serverFor(bench, ["--pool-bytes", String(bench.poolBytes)]);
  const player = await Player.connect({ url: server.url, routing: adapter, sockets: 1 });
  const ask = async (index: number) =>
    firstTokenMs(await player.ask({ at: 0, adapter: index, promptTokens: 16, outputTokens: 1 }));
  try {
    // More than the device holds, so that the first of them lie in host memory alone.
    const read = Math.min(bench.count - REQUESTS - 1, 8 * REQUESTS);
    await touchAll(server, read);
    const [source, again]: [number[], number[]] = [[], []];
    for (let i = 0; i < REQUESTS; i++) {
      source.push(await ask(read + i));
      again.push(await ask(read + i));
    }
    const lies = await tierOf(server);
    const indices = Array.from({ length: read + REQUESTS }, (_, i) => i);
    const onDevice = indices.filter((i) => lies(i) === "device").slice(-REQUESTS);
    const inHost = indices.filter((i) => lies(i) === "host").slice(0, REQUESTS);
    if (inHost.length < REQUESTS) throw new Error("the device holds all of them: give fewer --pool-mib");
    const [device, host]: [number[], number[]] = [[], []];
    for (const i of onDevice) device.push(await ask(i));
    for (const i of inHost) host.push(await ask(i));
    bench.note(`first token: device ${spreadOf(device).p50.toFixed(1)} ms, source ${spreadOf(source).p50.toFixed(1)}`);
    return {
      device: spreadOf(device),
      host: spreadOf(host),
      source: spreadOf(source),
      again: spreadOf(again),
      requests: REQUESTS,
    };
  } finally {
    await player.close();
    await server.stop();
  }
}

async function tierOf({ baseUrl }: Served): Promise<(index: number) => string | undefined> {
  const { data } = (await (await fetch(`${baseUrl}/v1/lora_adapters`)).json()) as {
    data: { id: string; tier: string }[];
  };
  const tiersByName = new Map(data.map(({ id, tier }) => [id, tier]));
  return (index) => tiersByName.get(adapter(index).adapter!);
}
