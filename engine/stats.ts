// What an engine reports of itself.

import type { EngineStats } from "../proto/api.ts";
import type { LoadedMixture, LoadedRecipe } from "./adapters/generation.ts";
import type { EngineParts } from "./assemble.ts";

/** What the engine counts and holds at this moment. */
export function engineStats(
  { admission, counters, pages, residency, shares, watch }: EngineParts,
  model: string,
): EngineStats {
  const { scheduler, registry } = admission;
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
    agreement: watch.reports(),
    alerts: [...watch.alerts],
    adapters: loaded.flatMap(({ generation, running }) => {
      if (generation.kind !== "adapter") return [];
      const { name, hash, key } = generation;
      return [
        { name, hash, resident: residency.firstPage(key) !== undefined, running, tokens: shares.adapterTokens(name) },
      ];
    }),
    mixtures: loaded.flatMap(({ generation }) => {
      if (generation.kind === "adapter") return [];
      const { name, hash } = generation;
      const routed = generation.kind === "recipe" ? generation.routed : generation;
      const experts = routed?.mixture.experts.map((expert) => expert.name) ?? [];
      const spread = shares.of(routed?.key ?? "", experts.length);
      return [{ name, hash, experts, ...spread, ...recipeParts(generation, shares) }];
    }),
  };
}

function recipeParts(generation: LoadedMixture | LoadedRecipe, shares: EngineParts["shares"]) {
  if (generation.kind !== "recipe") return {};
  const parts = generation.stack.map(({ name, generation: { hash } }) => ({
    name,
    hash,
    tokens: shares.adapterTokens(name),
  }));
  return { parts };
}
