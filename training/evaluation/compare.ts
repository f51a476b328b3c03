// Runs every policy over the texts and puts the figures side by side.
// The model that is given has the adapters and mixtures that are asked for.

import type { RoutePlan } from "../../engine/scheduler/sequence.ts";
import type { FrozenModel } from "../frozen/frozen_model.ts";
import { type Choice, type ScoredText, TextScorer } from "../frozen/score.ts";
import { headlineOf } from "./headline.ts";
import { type Figures, measurePolicies } from "./measure.ts";
import { adaptersByLabel, type Losses, POLICY_TITLES, promptLoss, textHindsight, tokenHindsight } from "./policies.ts";
import type { EvaluationReport } from "./report.ts";
import { BINS, routingReport } from "./routing.ts";
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
  const scorer = new TextScorer(model);
  const keys = experts.map((name) => model.adapters.find((adapter) => adapter.name === name)?.key);
  const share = 1 / Math.max(1, model.adapters.length);
  const uniform = model.adapters.map(({ key }) => ({ key, weight: share }));
  const chosen = (["twin", "arrow"] as const).filter((name) => mixtures[name] !== undefined);
  const ids = texts.map((text) => text.ids);
  const tokens = ids.reduce((sum, { length }) => sum + length - 1, 0);
  const runs = 4 + model.adapters.length + chosen.length;
  let done = 0;
  const run = async (choice: Choice): Promise<ScoredText[]> =>
    scorer.score(ids, choice, (count) => {
      done += count;
      options.onProgress?.(done, runs * tokens);
    });
  const lossesUnder = async (plan: RoutePlan) => lossesOf(await run({ kind: "plan", plan }));
  const planOf = (name: string): RoutePlan => {
    const mixture = model.mixtures.find((loaded) => loaded.name === name)!;
    return { kind: "router", key: mixture.key };
  };

  const base = await lossesUnder({ kind: "none" });
  const alone = new Map<string, Losses>();
  for (const { name, key } of model.adapters) {
    alone.set(name, await lossesUnder({ kind: "fixed", entries: [{ key, weight: 1 }] }));
  }
  const uniformly = await lossesUnder({ kind: "fixed", entries: uniform });
  const labelled = lossesOf(await run({ kind: "given", adapters: adaptersByLabel(texts, keys) }));
  const routed = await run({ kind: "plan", plan: planOf(mixtures.router) });
  const others = new Map<string, Losses>();
  for (const name of chosen) others.set(name, await lossesUnder(planOf(mixtures[name]!)));

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

function lossesOf(scored: readonly ScoredText[]): Losses {
  return scored.map(({ logprobs }) => logprobs.map((logprob) => -logprob));
}

function setsOf(texts: readonly EvaluatedText[]): EvaluationReport["sets"] {
  const sets: EvaluationReport["sets"] = {};
  for (const { set, ids, completion } of texts) {
    sets[set] ??= { texts: 0, tokens: 0, completionTokens: 0 };
    sets[set].texts++;
    sets[set].tokens += ids.length - 1;
    sets[set].completionTokens += completion.filter(Boolean).length;
  }
  return sets;
}
