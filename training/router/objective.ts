// The objectives of a router's training: numbered texts with targets at every token.
// The end-to-end language-model loss has a trainer of its own (training/language_model.ts).

import type { RoutePlan } from "../../engine/scheduler/sequence.ts";
import type { Composer } from "../data/compose.ts";
import { labelledText } from "../data/labels.ts";
import type { FrozenModel } from "../frozen/frozen_model.ts";
import { TextScorer } from "../frozen/score.ts";
import type { LabelledText } from "./trainer.ts";

export interface Objective {
  /** Texts [first, first + count): the same whenever they are asked for. */
  texts(first: number, count: number): Promise<LabelledText[]>;
}

export interface DomainOptions {
  experts: readonly string[];
  /** Weight of a completion's tokens; all others weigh 1. */
  completions: number;
}

/** All belief on the expert named like the token's domain. */
export function domainObjective(composer: Composer, { experts, completions }: DomainOptions): Objective {
  return {
    async texts(first, count) {
      return range(first, count).map((n) => labelledText(composer.text(n), experts, completions));
    },
  };
}

export interface DistillOptions {
  experts: readonly string[];
  /** Tokens ahead over which an expert's losses are averaged. */
  window: number;
  /** Temperature of the targets, in nats a token: they are softmax(−loss / τ). */
  tau: number;
}

/**
 * For texts without domains: the less an expert loses on the coming tokens when it is used throughout, the more belief
 * it gets. Losses are averaged over a window, since those of a single token are mostly noise. The model must have been
 * opened for scoring.
 */
export function distillObjective(composer: Composer, model: FrozenModel, options: DistillOptions): Objective {
  const scorer = new TextScorer(model);
  const keys = options.experts.map((name) => model.adapters.find((adapter) => adapter.name === name)?.key);
  return {
    async texts(first, count) {
      const ids = range(first, count).map((n) => composer.text(n).ids);
      const losses: Float32Array[][] = [];
      for (const key of keys) {
        const plan: RoutePlan = key === undefined ? { kind: "none" } : { kind: "fixed", entries: [{ key, weight: 1 }] };
        const scored = await scorer.score(ids, { kind: "plan", plan });
        losses.push(scored.map(({ logprobs }) => logprobs.map((logprob) => -logprob)));
      }
      return ids.map((text, i) => ({
        ids: text,
        targets: distilledTargets(
          losses.map((texts) => texts[i]),
          options,
        ),
      }));
    },
  };
}

/** Targets [tokens, experts] from losses [expert][t] of token t + 1. The last token predicts none, so its row is 0. */
export function distilledTargets(losses: readonly Float32Array[], { window, tau }: DistillOptions): Float32Array {
  const experts = losses.length;
  const count = losses[0].length;
  const targets = new Float32Array((count + 1) * experts);
  for (let t = 0; t < count; t++) {
    const means = losses.map((loss) => mean(loss.subarray(t, t + window)));
    const least = Math.min(...means);
    const shares = means.map((loss) => Math.exp((least - loss) / tau));
    const sum = shares.reduce((total, share) => total + share, 0);
    for (const [e, share] of shares.entries()) targets[t * experts + e] = share / sum;
  }
  return targets;
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
