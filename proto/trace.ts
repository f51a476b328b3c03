// Packs a token's routing trace for the wire and back: names become indices, layers become one flat list.

import type { TokenTrace } from "./api.ts";
import { MoloraError } from "./errors.ts";
import type { PackedTrace } from "./messages.ts";

/** @throws MoloraError `internal` where the trace names an expert that `table` (the `experts` of `accepted`) lacks. */
export function packTrace(trace: TokenTrace, table: readonly string[]): PackedTrace {
  const counts = trace.map((layer) => layer.experts.length);
  const uniform = counts.length > 0 && counts[0] > 0 && counts.every((count) => count === counts[0]);
  const gates = trace.flatMap((layer) => layer.gates);
  return {
    perLayer: uniform ? [counts[0]] : counts,
    experts: trace.flatMap((layer) => layer.experts.map((name) => indexOf(name, table))),
    gates: gates.every((gate) => gate === 1) ? [] : gates,
  };
}

function indexOf(name: string, table: readonly string[]): number {
  const index = table.indexOf(name);
  if (index < 0) throw new MoloraError("internal", `the trace names "${name}", which was not announced on acceptance`);
  return index;
}

/** @throws MoloraError `bad_frame` where the lists do not fit together. */
export function unpackTrace(packed: PackedTrace, table: readonly string[]): TokenTrace {
  const { perLayer, experts } = packed;
  const gates = packed.gates.length === 0 ? experts.map(() => 1) : packed.gates;
  const counts = layerCounts(perLayer, experts.length);
  const fits = counts.reduce((sum, count) => sum + count, 0) === experts.length && gates.length === experts.length;
  if (!fits || experts.some((index) => index >= table.length)) {
    throw new MoloraError("bad_frame", "a routing trace whose lists do not fit together");
  }
  const names = experts.map((index) => table[index]);
  let end = 0;
  return counts.map((count) => {
    const start = end;
    end += count;
    return { experts: names.slice(start, end), gates: gates.slice(start, end) };
  });
}

function layerCounts(perLayer: readonly number[], total: number): readonly number[] {
  if (perLayer.length !== 1 || perLayer[0] === 0) return perLayer;
  return Array.from({ length: Math.floor(total / perLayer[0]) }, () => perLayer[0]);
}
