// Packs a token's routing for the wire and back: layers become one flat list, names of experts become indices.

import type { BaseExpertChoice, TokenTrace } from "./api.ts";
import { MoloraError } from "./errors.ts";
import type { PackedTrace } from "./messages.ts";

/** @throws MoloraError `internal` where the trace names an expert that `table` (the `experts` of `accepted`) lacks. */
export function packTrace(trace: TokenTrace, table: readonly string[]): PackedTrace {
  return packChoices(
    trace.map(({ experts, gates }) => ({ experts: experts.map((name) => indexOf(name, table)), gates })),
  );
}

/** @throws MoloraError `bad_frame` where the lists do not fit together. */
export function unpackTrace(packed: PackedTrace, table: readonly string[]): TokenTrace {
  if (packed.experts.some((index) => index >= table.length)) throw unfit();
  return unpackChoices(packed).map(({ experts, gates }) => ({ experts: experts.map((index) => table[index]), gates }));
}

export function packChoices(layers: readonly BaseExpertChoice[]): PackedTrace {
  const counts = layers.map((layer) => layer.experts.length);
  const uniform = counts.length > 0 && counts[0] > 0 && counts.every((count) => count === counts[0]);
  const gates = layers.flatMap((layer) => layer.gates);
  return {
    perLayer: uniform ? [counts[0]] : counts,
    experts: layers.flatMap((layer) => layer.experts),
    gates: gates.every((gate) => gate === 1) ? [] : gates,
  };
}

/** @throws MoloraError `bad_frame` where the lists do not fit together. */
export function unpackChoices({ perLayer, experts, gates: given }: PackedTrace): BaseExpertChoice[] {
  const gates = given.length === 0 ? experts.map(() => 1) : given;
  const counts = layerCounts(perLayer, experts.length);
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total !== experts.length || gates.length !== experts.length) throw unfit();
  let end = 0;
  return counts.map((count) => {
    const start = end;
    end += count;
    return { experts: experts.slice(start, end), gates: gates.slice(start, end) };
  });
}

function indexOf(name: string, table: readonly string[]): number {
  const index = table.indexOf(name);
  if (index < 0) throw new MoloraError("internal", `the trace names "${name}", which was not announced on acceptance`);
  return index;
}

function unfit(): MoloraError {
  return new MoloraError("bad_frame", "a routing trace whose lists do not fit together");
}

function layerCounts(perLayer: readonly number[], total: number): readonly number[] {
  if (perLayer.length !== 1 || perLayer[0] === 0) return perLayer;
  return Array.from({ length: Math.floor(total / perLayer[0]) }, () => perLayer[0]);
}
