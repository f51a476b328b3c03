// Runs every policy over the texts and puts the figures side by side.
// The model that is given has the adapters and mixtures that are asked for.

import type { FrozenModel } from "../frozen/frozen_model.ts";
import { headlineOf } from "./headline.ts";
import { type Figures, measurePolicies, setsOf } from "./measure.ts";
import { type Losses, POLICY_TITLES, promptLoss, textHindsight, tokenHindsight } from "./policies.ts";
import type { EvaluationReport } from "./report.ts";
import { BINS, routingReport } from "./routing.ts";
import { lossesOf, Runs } from "./runs.ts";
import { type EvaluatedText, MIXED, MIXED_WITH_BASE } from "./texts.ts";

export interface ComparedMixtures {
  /** Names of the model's mixtures. */
  router: string;
  twin?: string;
  arrow?: string;
}

export interface CompareOptions {
  texts: readonly EvaluatedText[];
  /** Experts by name, in the order of the labels. */
  experts: readonly string[];
  mixtures: ComparedMixtures;
  seed: number;
  /** Tokens scored so far and in all, over all policies. */
  onProgress?: (done: number, total: number) => void;
}

export async function compare(model: FrozenModel, options: CompareOptions): Promise<EvaluationReport> {
  const { texts, experts, mixtures } = options;
  const names = model.adapters.map(({ name }) => name);
  const chosen = (["twin", "arrow"] as const).filter((name) => mixtures[name] !== undefined);
  const count = 4 + names.length + chosen.length;
  let done = 0;
  const runs = new Runs(model, texts, (tokens) => {
    done += tokens;
    options.onProgress?.(done, count * runs.tokens);
  });

  const base = await runs.base();
  const alone = new Map<string, Losses>();
  for (const name of names) alone.set(name, await runs.alone(name));
  const uniformly = await runs.stacked(names, 1 / Math.max(1, names.length));
  const labelled = await runs.labelled(experts);
  const routed = await runs.routed(mixtures.router);
  const others = new Map<string, Losses>();
  for (const name of chosen) others.set(name, lossesOf(await runs.routed(mixtures[name]!)));

  const singles = [base, ...alone.values()];
  const figures: Figures = [
    { name: "base", title: POLICY_TITLES.base, all: base, completions: base },
    ...[...alone].map(([name, losses]) => ({
      name: `adapter ${name}`,
      title: `${name} throughout`,
      all: losses,
      completions: losses,
    })),
    same("uniform", uniformly),
    same("prompt-loss", promptLoss(singles, texts)),
    {
      name: "text-hindsight",
      title: POLICY_TITLES["text-hindsight"],
      all: textHindsight(
        singles,
        texts.map(({ ids }) => ids.map(() => true)),
      ),
      completions: textHindsight(
        singles,
        texts.map(({ completion }) => completion),
      ),
    },
    same("label", labelled),
    same("router", lossesOf(routed)),
    ...[...others].map(([name, losses]) => same(name as "twin" | "arrow", losses)),
    same("token-hindsight", tokenHindsight(singles)),
  ];
  const policies = measurePolicies(texts, figures, options.seed);
  const mixed = [MIXED, MIXED_WITH_BASE].filter((set) => texts.some((text) => text.set === set));
  const routing = Object.fromEntries(
    [...mixed, "single"].map((set) => {
      const members = texts.map((text, i) => ({ text, routing: routed[i].routing! }));
      const own = members.filter(({ text }) => (set === "single" ? !mixed.includes(text.set) : text.set === set));
      return [
        set,
        routingReport(
          own.map(({ text }) => text),
          own.map(({ routing }) => routing),
          experts.length,
        ),
      ];
    }),
  );
  return {
    headline: headlineOf(policies),
    experts: [...experts],
    sets: setsOf(texts),
    policies,
    bins: BINS,
    routing,
  };
}

function same(name: keyof typeof POLICY_TITLES, losses: Losses): Figures[number] {
  return { name, title: POLICY_TITLES[name], all: losses, completions: losses };
}
