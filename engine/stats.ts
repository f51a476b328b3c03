// What an engine reports of itself.

import type { EngineStats } from "../proto/api.ts";
import type { EngineParts } from "./assemble.ts";

/** What the engine counts and holds at this moment. */
export function engineStats(
  { admission, counters, pages, residency, shares }: EngineParts,
  model: string,
): EngineStats {
  const { scheduler, registry } = admission;
  const resident = new Set(residency.residents().map(({ key }) => key));
  const loaded = registry.list();
  return {
    model,
    running: scheduler.running,
    waiting: scheduler.waiting,
    steps: counters.steps,
    promptTokens: counters.promptTokens,
    generatedTokens: counters.generatedTokens,
    preemptions: scheduler.preemptions,
    pagesTotal: pages.capacity,
    pagesFree: pages.free,
    pagesCached: pages.kept,
    pagesIdle: residency.idlePages,
    revivals: counters.revivals,
    evictions: scheduler.evictions,
    adapters: loaded.flatMap(({ generation, running }) => {
      if (generation.kind !== "adapter") return [];
      const { name, hash, key } = generation;
      return [{ name, hash, resident: resident.has(key), running, tokens: shares.adapterTokens(name) }];
    }),
    mixtures: loaded.flatMap(({ generation }) => {
      if (generation.kind !== "mixture") return [];
      const experts = generation.mixture.experts.map(({ name }) => name);
      return [{ name: generation.name, hash: generation.hash, experts, ...shares.of(generation.key, experts.length) }];
    }),
  };
}
