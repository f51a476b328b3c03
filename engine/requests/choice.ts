// Which adapters a request names, or which mixture routes it, among those that are loaded.

import type { GenerateRequest, TokenTrace } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { LoadedAdapter, LoadedGeneration, LoadedMixture, LoadedRecipe } from "../adapters/generation.ts";
import { AGREE, disagreement } from "../adapters/one_vocabulary.ts";
import type { Registry } from "../adapters/registry.ts";
import type { FixedEntry, RoutePlan } from "../scheduler/sequence.ts";

export interface ChoiceParts {
  registry: Registry;
  /** Adapter entries a token can have. */
  entries: number;
}

/** How a request's tokens get their adapters. */
export interface Choice {
  plan: RoutePlan;
  generations: LoadedGeneration[];
  /** Experts by index (routed, what stands beside the router behind them), or what is named in the trace. */
  names: string[];
  /** The trace of a token where nothing is routed. */
  fixed: TokenTrace[number];
}

const BASE_ONLY: Choice = {
  plan: { kind: "none" },
  generations: [],
  names: ["base"],
  fixed: { experts: ["base"], gates: [1] },
};

/** `prompt`: where activated LoRAs look for what switches them on. @throws MoloraError `bad_request`, `unknown_adapter`, `unknown_mixture`. */
export function choose(
  { registry, entries }: ChoiceParts,
  { adapter, adapters, mixture }: Pick<GenerateRequest, "adapter" | "adapters" | "mixture">,
  prompt: readonly number[],
): Choice {
  if ([adapter, adapters, mixture].filter((field) => field !== undefined).length > 1) {
    throw new MoloraError("bad_request", "a request names more than one of adapter, adapters and mixture", {
      remedy: "Name one: an adapter, a weighted stack of adapters, or a mixture.",
    });
  }
  if (mixture !== undefined) {
    const loaded = registry.mixture(mixture);
    return loaded.kind === "recipe" ? recipeChoice(loaded) : mixtureChoice(loaded);
  }
  const stack = adapter === undefined ? (adapters ?? []) : [{ id: adapter, weight: 1 }];
  if (stack.length === 0) return BASE_ONLY;
  if (stack.length > entries) {
    throw new MoloraError("bad_request", `${stack.length} adapters are stacked`, {
      remedy: `Stack at most ${entries}.`,
    });
  }
  const loaded = stack.map(({ id, weight }) => {
    if (!Number.isFinite(weight)) throw new MoloraError("bad_request", `the weight of ${id} is ${weight}`);
    return { generation: registry.adapter(id), weight };
  });
  checkVocabularies(loaded);
  return {
    plan: {
      kind: "fixed",
      entries: loaded.map(({ generation, weight }) => ({
        ...entryOf(generation, weight),
        ...startOf(generation, prompt),
      })),
    },
    generations: loaded.map(({ generation }) => generation),
    names: stack.map(({ id }) => id),
    fixed: { experts: stack.map(({ id }) => id), gates: stack.map(({ weight }) => weight) },
  };
}

function mixtureChoice(loaded: LoadedMixture): Choice {
  return {
    plan: { kind: "router", key: loaded.key },
    generations: [loaded],
    names: loaded.mixture.experts.map(({ name }) => name),
    fixed: { experts: [], gates: [] },
  };
}

/** Parts are pinned beside the recipe that holds them, so that what is told of the request names them. */
function recipeChoice(recipe: LoadedRecipe): Choice {
  const { stack, routed } = recipe;
  const entries = stack.map(({ generation, weight }) => entryOf(generation, weight));
  const names = stack.map(({ name }) => name);
  const generations = [recipe, ...stack.map(({ generation }) => generation)];
  if (routed === undefined) {
    const fixed = { experts: names, gates: stack.map(({ weight }) => weight) };
    return { plan: { kind: "fixed", entries }, generations, names, fixed };
  }
  const { plan, ...choice } = mixtureChoice(routed);
  return {
    plan: entries.length === 0 ? plan : { kind: "router", key: routed.key, beside: entries },
    generations: [...generations, routed],
    names: [...choice.names, ...names],
    fixed: choice.fixed,
  };
}

/** @throws MoloraError `bad_request` */
function checkVocabularies(stack: readonly { generation: LoadedAdapter; weight: number }[]): void {
  const wrong = disagreement(stack.map(({ generation: { name, adapter }, weight }) => ({ name, adapter, weight })));
  if (wrong !== undefined) throw new MoloraError("bad_request", wrong, { remedy: AGREE });
}

/** An adapter in a list: those that change the embedding say so, for their KV is theirs from the first layer on. */
function entryOf({ key, adapter }: LoadedAdapter, weight: number): FixedEntry {
  return { key, weight, ...(adapter.vocabulary === undefined ? {} : { embeds: true as const }) };
}

/** Where an activated LoRA begins to act: with the last of its invocations (PEFT's `calculate_alora_offsets`). */
function startOf({ name, adapter }: LoadedAdapter, prompt: readonly number[]): { from?: number } {
  const { invocation } = adapter;
  if (invocation === undefined) return {};
  for (let from = prompt.length - invocation.length; from >= 0; from--) {
    if (invocation.every((id, i) => prompt[from + i] === id)) return { from };
  }
  throw new MoloraError("bad_request", `the prompt does not invoke "${name}", an activated LoRA`, {
    remedy: `Put its invocation into the prompt, the tokens ${invocation.join(", ")}; without it, ask for the base.`,
    details: { invocation: [...invocation] },
  });
}
