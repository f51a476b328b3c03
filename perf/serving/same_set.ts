// Whether thousands of registered adapters slow those that are asked for: the same load on 8 of them, with 8 registered and with all.

import { median } from "../../cli/bench/timing.ts";
import { type Bench, CLIENTS, type Counted, measured, serverFor, touchAll, workloadOf } from "./bench.ts";
import { requestsOf } from "./workload.ts";

export interface SameSet {
  registered: number;
  few: Counted[];
  many: Counted[];
  /** Throughput with all ÷ with 8, a round each; their median is what counts. */
  ratios: number[];
  ratio: number;
  /** Processor time a token with 8 ÷ with all, likewise. */
  processorRatio: number;
  residentBytes: { few: number; many: number };
}

const SET = 8;

/** Servers stand side by side and are asked in turns, so that what else the machine does meets both. */
export async function sameSet(bench: Bench, rounds: number): Promise<SameSet> {
  const [few, many] = [await serverFor(bench), await serverFor(bench)];
  try {
    await touchAll(few, SET);
    bench.note(`loading ${bench.count} adapters`);
    await touchAll(many, bench.count);
    const result: SameSet = {
      registered: bench.count,
      few: [],
      many: [],
      ratios: [],
      ratio: 0,
      processorRatio: 0,
      residentBytes: { few: few.residentBytes(), many: many.residentBytes() },
    };
    for (let round = -1; round < rounds; round++) {
      const requests = requestsOf(workloadOf(bench, { adapters: SET, seed: 10 + round }), bench.requests);
      // The one that begins takes turns too.
      const turns = [
        { server: few, into: result.few },
        { server: many, into: result.many },
      ];
      if (round % 2 !== 0) turns.reverse();
      for (const { server, into } of turns) {
        const { counted } = await measured(server, (player) => player.closed(requests, CLIENTS));
        if (round >= 0) into.push(counted);
      }
      if (round < 0) continue;
      result.ratios.push(result.many[round].tokensPerSecond / result.few[round].tokensPerSecond);
      const processor = result.few[round].processorMs / result.many[round].processorMs;
      bench.note(
        `same set, round ${round + 1}: ${result.ratios[round].toFixed(3)}, by processor time ${processor.toFixed(3)}`,
      );
    }
    const processor = result.ratios.map((_, i) => result.few[i].processorMs / result.many[i].processorMs);
    return { ...result, ratio: median(result.ratios), processorRatio: median(processor) };
  } finally {
    await few.stop();
    await many.stop();
  }
}
