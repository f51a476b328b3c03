// A generation: an adapter, a mixture or a recipe as it is loaded, with all that it holds. Which name stands for which is
// registry.ts's business.

import { BASE_NAME } from "../../files/lora/names.ts";
import { MoloraError } from "../../proto/errors.ts";
import { checkExpert, checkTables } from "../../router/experts.ts";
import type { Mixture } from "../../router/mixture.ts";
import type { PackedAdapter } from "./pack_adapter.ts";

interface Loaded {
  name: string;
  /** Content hash, as reports and streams give it. */
  hash: string;
  /** Identity of all that determines its effect; equal keys are interchangeable on the device and in KV reuse. */
  key: string;
}

export interface LoadedAdapter extends Loaded {
  kind: "adapter";
  adapter: PackedAdapter;
}

export interface LoadedMixture extends Loaded {
  kind: "mixture";
  mixture: Mixture;
  /** In the order of the mixture's experts; undefined adds nothing. Held as long as the mixture is. */
  experts: readonly (LoadedAdapter | undefined)[];
  prepared: PreparedRouter;
}

/** What a router's runs are written from beside the mixture's own numbers. */
export interface PreparedRouter {
  /** What an Arrow router compares tokens with, `[layer][expert]`; none for other routers. */
  prototypes: Prototypes;
  /** The hidden layer of an MLP router's gate in panels of q8_0, `[layer]`; absent where it is held as f32. */
  gates?: readonly Uint8Array<ArrayBuffer>[];
}

export const UNPREPARED: PreparedRouter = { prototypes: [] };

/** A recipe: adapters that every token takes, and at most one mixture that routes beside them. Held as long as the recipe is. */
export interface LoadedRecipe extends Loaded {
  kind: "recipe";
  /** In the recipe's order, the merged ones among them. */
  stack: readonly { name: string; weight: number; generation: LoadedAdapter }[];
  routed: LoadedMixture | undefined;
}

export type Prototypes = readonly (readonly (Float32Array | undefined)[])[];

/** An adapter that a mixture's expert adds; undefined where it adds nothing. */
export type ExpertAdapter = PackedAdapter | undefined;

export type LoadedGeneration = LoadedAdapter | LoadedMixture | LoadedRecipe;

/** See Loaded.key. */
export function adapterKey({ hash }: Pick<PackedAdapter, "hash">): string {
  return `adapter/${hash}`;
}

export function loadedAdapter(adapter: PackedAdapter): LoadedAdapter {
  return { kind: "adapter", name: adapter.name, hash: adapter.hash, key: adapterKey(adapter), adapter };
}

/** `adapters[i]` serves expert i. @throws MoloraError `mixture_invalid`, `checksum_mismatch` */
export function loadedMixture(
  mixture: Mixture,
  adapters: readonly ExpertAdapter[],
  prepared: PreparedRouter,
): LoadedMixture {
  if (adapters.length !== mixture.experts.length) {
    const message = `mixture "${mixture.name}" has ${mixture.experts.length} experts, ${adapters.length} are given`;
    throw new MoloraError("mixture_invalid", message);
  }
  for (const [i, expert] of mixture.experts.entries()) checkExpert(expert, adapters[i]);
  checkTables(mixture, adapters);
  const experts = adapters.map((adapter) => adapter && loadedAdapter(adapter));
  const key = ["mixture", mixture.hash, ...experts.map((expert) => expert?.hash ?? BASE_NAME)].join("/");
  return { kind: "mixture", name: mixture.name, hash: mixture.hash, key, mixture, experts, prepared };
}

/** What a generation holds as long as it is held itself: a mixture's experts, a recipe's adapters and its mixture. */
export function heldBy(generation: LoadedGeneration): LoadedGeneration[] {
  switch (generation.kind) {
    case "adapter":
      return [];
    case "mixture":
      return generation.experts.filter((expert) => expert !== undefined);
    case "recipe":
      return [...generation.stack.map((part) => part.generation), ...(generation.routed ? [generation.routed] : [])];
  }
}

/** The same at every depth, each once. */
export function allHeldBy(generation: LoadedGeneration): LoadedGeneration[] {
  const held = heldBy(generation).flatMap((part) => [part, ...allHeldBy(part)]);
  return [...new Map(held.map((part) => [part.key, part])).values()];
}
