// What an engine of a given capacity cannot serve: refused when it is loaded.

import type { Adapter } from "../../files/lora/adapter.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Mixture } from "../../router/mixture.ts";
import type { ResidentNeed } from "../memory/residency.ts";
import type { Capacity } from "../model/capacity.ts";
import type { LoadedGeneration } from "./generation.ts";
import { gateWidth, routedEntries } from "./pack_router.ts";

/** @throws MoloraError `adapter_unsupported` */
export function checkRank({ name, report }: Adapter, capacity: Capacity): void {
  const most = capacity.rank4 * 4;
  const rank = Math.max(0, ...report.ranks);
  if (rank <= most) return;
  throw new MoloraError("adapter_unsupported", `adapter "${name}" has rank ${rank}; this engine takes ${most}`, {
    remedy: `Start the engine with maxRank ${rank}.`,
  });
}

/** @throws MoloraError `mixture_invalid` */
export function checkMixture(mixture: Mixture, capacity: Capacity): void {
  const facts: [what: string, value: number, most: number][] = [
    ["experts", mixture.experts.length, capacity.experts],
    ["experts a token (top_k)", routedEntries(mixture.router), capacity.entries],
    ["values in its gate's hidden layer", gateWidth(mixture), capacity.gateWidth],
  ];
  for (const [what, value, most] of facts) {
    if (value <= most) continue;
    throw new MoloraError(
      "mixture_invalid",
      `mixture "${mixture.name}" has ${value} ${what}; this engine takes ${most}`,
    );
  }
}

/**
 * Refuses what could never be resident. One adapter of several experts takes its pages once.
 *
 * @throws MoloraError `out_of_pages`
 */
export function checkFits(
  { kind, name }: Pick<LoadedGeneration, "kind" | "name">,
  needs: readonly ResidentNeed[],
  { pages }: Capacity,
): void {
  const sizes = new Map(needs.map((need) => [need.key, need.pages]));
  const needed = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  if (needed < pages) return;
  throw new MoloraError("out_of_pages", `${kind} "${name}" takes ${needed} of ${pages} pages`, {
    remedy: "Start the engine with more poolBytes.",
  });
}
