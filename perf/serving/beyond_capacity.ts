// Working sets from half of what the device holds to four times that: how throughput falls with the share of requests whose
// adapter must be written there first, by either rule of eviction.

import { type Bench, CLIENTS, type Counted, measured, serverFor, touchAll, workloadOf } from "./bench.ts";
import type { Served } from "./molora_server.ts";
import { requestsOf } from "./workload.ts";

export interface AtSize extends Counted {
  /** Working set ÷ what the device holds. */
  factor: number;
  workingSet: number;
}

export interface BeyondCapacity {
  /** Adapters that the device holds beside the KV of a full batch. */
  capacity: number;
  poolBytes: number;
  /** By eviction and popularity. */
  lines: { eviction: "lru" | "popular"; alpha: number; sizes: AtSize[] }[];
}

export const FACTORS = [0.5, 1, 2, 4];

export async function beyondCapacity(bench: Bench): Promise<BeyondCapacity> {
  const flags = ["--pool-bytes", String(bench.poolBytes)];
  const servers = {
    lru: await serverFor(bench, flags),
    popular: await serverFor(bench, [...flags, "--eviction", "popular"]),
  };
  try {
    const capacity = await capacityOf(bench, servers.lru);
    bench.note(`the device holds ${capacity} adapters`);
    const most = Math.min(bench.count, Math.max(...FACTORS) * capacity);
    for (const server of Object.values(servers)) await touchAll(server, most);
    const lines: BeyondCapacity["lines"] = [0, 1].flatMap((alpha) =>
      (["lru", "popular"] as const).map((eviction) => ({ eviction, alpha, sizes: [] })),
    );
    for (const factor of FACTORS) {
      const workingSet = Math.min(bench.count, Math.round(factor * capacity));
      for (const { eviction, alpha, sizes } of lines) {
        const load = workloadOf(bench, { adapters: workingSet, alpha, seed: 31 });
        const server = servers[eviction];
        await touchAll(server, workingSet);
        const requests = requestsOf(load, bench.requests);
        const { counted } = await measured(server, (player) => player.closed(requests, CLIENTS));
        sizes.push({ factor, workingSet, ...counted });
        const { tokensPerSecond, processorMs, deviceMisses } = counted;
        const speed = `${tokensPerSecond.toFixed(0)} tokens/s, ${processorMs.toFixed(2)} ms of processors a token`;
        bench.note(`${factor} × capacity, alpha ${alpha}, ${eviction}: ${speed}, ${deviceMisses.toFixed(2)} misses`);
      }
    }
    return { capacity, poolBytes: bench.poolBytes, lines };
  } finally {
    for (const server of Object.values(servers)) await server.stop();
  }
}

/** Those on the device after a full batch has gone over more of them than it can hold. */
async function capacityOf(bench: Bench, server: Served): Promise<number> {
  const load = workloadOf(bench, { adapters: bench.count, seed: 29 });
  const { counted } = await measured(server, (player) => player.closed(requestsOf(load, 8 * CLIENTS), CLIENTS));
  if (counted.deviceMisses === 0) throw new Error("the pool holds all of them: give fewer --pool-bytes");
  return (await server.metrics()).get("molora_names_device")!;
}
