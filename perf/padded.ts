// Adapters of unlike ranks as adapters of one rank, for methods that merge A's and B's apart and refuse unlike ranks.

import type { Adapter } from "../files/lora/adapter.ts";

/** Ranks of zeros behind an adapter's own, up to `rank`: it adds what it added before. */
export function padded(adapter: Adapter, rank: number): Adapter {
  const layers = adapter.layers.map((layer) =>
    Object.fromEntries(
      Object.entries(layer).map(([name, lora]) => {
        const [inputs, outputs] = [lora.a.length / lora.rank, lora.b.length / lora.rank];
        const a = new Float32Array(rank * inputs);
        a.set(lora.a);
        const b = new Float32Array(outputs * rank);
        for (let i = 0; i < outputs; i++) b.set(lora.b.subarray(i * lora.rank, (i + 1) * lora.rank), i * rank);
        return [name, { ...lora, rank, a, b }];
      }),
    ),
  );
  return { ...adapter, hash: `${adapter.hash} padded`, layers, report: { ...adapter.report, ranks: [rank] } };
}
