// Every way to use several adapters at once, by what it costs on texts of each domain and on mixed ones: merged, stacked,
// routed, and the right adapter by label. compare.ts asks the other question, whether a router is worth it.

import type { FrozenModel } from "../frozen/frozen_model.ts";
import { type Figures, measurePolicies, setsOf } from "./measure.ts";
import { type Losses, POLICY_TITLES, textHindsight } from "./policies.ts";
import type { PolicyReport, SetSizes } from "./report.ts";
import { lossesOf, Runs } from "./runs.ts";
import type { EvaluatedText } from "./texts.ts";

export interface CompositionOptions {
  texts: readonly EvaluatedText[];
  /** Names of what labels stand for: adapters, and "base" where it is one. */
  experts: readonly string[];
  /** Names of the adapters that are composed. */
  adapters: readonly string[];
  /** What was merged of them: a name for the report, and that of the model's adapter. */
  merges: readonly { name: string; title: string; adapter: string }[];
  /** A mixture of the model. */
  mixture?: string;
  seed: number;
  /** Tokens scored so far and in all. */
  onProgress?: (done: number, total: number) => void;
}

export interface CompositionReport {
  sets: SetSizes;
  /** `kept`: by set, the share of the right adapters' gain over the base, on completions; 1 is all of it, below 0 is worse than the base. */
  policies: (PolicyReport & { kept: Record<string, number> })[];
}

export async function compareCompositions(model: FrozenModel, options: CompositionOptions): Promise<CompositionReport> {
  const { texts, experts, adapters, merges, mixture, seed } = options;
  const count = 4 + adapters.length + merges.length + (mixture === undefined ? 0 : 1);
  let done = 0;
  const runs = new Runs(model, texts, (tokens) => {
    done += tokens;
    options.onProgress?.(done, count * runs.tokens);
  });
  const figures: Figures = [];
  const add = (name: string, title: string, losses: Losses) =>
    figures.push({ name, title, all: losses, completions: losses });

  add("base", POLICY_TITLES.base, await runs.base());
  for (const name of adapters) add(`adapter ${name}`, `${name} throughout`, await runs.alone(name));
  const singles = figures.map(({ all }) => all);
  for (const { name, title, adapter } of merges) add(`merge ${name}`, title, await runs.alone(adapter));
  const even = 1 / adapters.length;
  add("stack even", `stacked, weights ${weightText(even)}`, await runs.stacked(adapters, even));
  add("stack", "stacked, weights 1", await runs.stacked(adapters, 1));
  const hindsight = (counts: (text: EvaluatedText) => boolean[]) => textHindsight(singles, texts.map(counts));
  figures.push({
    name: "text-hindsight",
    title: POLICY_TITLES["text-hindsight"],
    all: hindsight(({ ids }) => ids.map(() => true)),
    completions: hindsight(({ completion }) => completion),
  });
  add("label", POLICY_TITLES.label, await runs.labelled(experts));
  if (mixture !== undefined) add("router", "routed per token", lossesOf(await runs.routed(mixture)));
  return { sets: setsOf(texts), policies: withKept(measurePolicies(texts, figures, seed)) };
}

/** "¼" is not in every font; 0.25, 0.333. */
export function weightText(weight: number): string {
  return String(Math.round(1000 * weight) / 1000);
}

function withKept(policies: readonly PolicyReport[]): CompositionReport["policies"] {
  const losses = (name: string) => policies.find((policy) => policy.name === name)!.sets;
  const [base, label] = [losses("base"), losses("label")];
  return policies.map((policy) => ({
    ...policy,
    kept: Object.fromEntries(
      Object.entries(policy.sets).flatMap(([set, { completions }]) => {
        const from = base[set].completions.loss.value;
        const gain = from - label[set].completions.loss.value;
        return gain > 0 ? [[set, (from - completions.loss.value) / gain] as const] : [];
      }),
    ),
  }));
}
