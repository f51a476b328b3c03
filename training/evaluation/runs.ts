// Losses of the same texts under one plan after another.

import type { RoutePlan } from "../../engine/scheduler/sequence.ts";
import type { FrozenModel } from "../frozen/frozen_model.ts";
import { type Choice, type ScoredText, TextScorer } from "../frozen/score.ts";
import { adaptersByLabel, type Losses } from "./policies.ts";
import type { EvaluatedText } from "./texts.ts";

export class Runs {
  readonly #model: FrozenModel;
  readonly #texts: readonly EvaluatedText[];
  readonly #scorer: TextScorer;
  readonly #onTokens: (tokens: number) => void;
  /** Tokens that one run scores. */
  readonly tokens: number;

  /** Adapters and mixtures are those that the model was opened with. `onTokens` is told of tokens as they are scored. */
  constructor(model: FrozenModel, texts: readonly EvaluatedText[], onTokens: (tokens: number) => void = () => {}) {
    this.#model = model;
    this.#texts = texts;
    this.#scorer = new TextScorer(model);
    this.#onTokens = onTokens;
    this.tokens = texts.reduce((sum, { ids }) => sum + ids.length - 1, 0);
  }

  base(): Promise<Losses> {
    return this.#planned({ kind: "none" });
  }

  alone(adapter: string): Promise<Losses> {
    return this.stacked([adapter], 1);
  }

  stacked(adapters: readonly string[], weight: number): Promise<Losses> {
    return this.#planned({ kind: "fixed", entries: adapters.map((name) => ({ key: this.#keyOf(name)!, weight })) });
  }

  /** The adapter named like each token's label; `experts` by label. The base for a label that no adapter is named like. */
  async labelled(experts: readonly string[]): Promise<Losses> {
    const keys = experts.map((name) => this.#keyOf(name));
    return lossesOf(await this.#run({ kind: "given", adapters: adaptersByLabel(this.#texts, keys) }));
  }

  routed(mixture: string): Promise<ScoredText[]> {
    const { key } = this.#model.mixtures.find(({ name }) => name === mixture)!;
    return this.#run({ kind: "plan", plan: { kind: "router", key } });
  }

  #keyOf(adapter: string): string | undefined {
    return this.#model.adapters.find(({ name }) => name === adapter)?.key;
  }

  async #planned(plan: RoutePlan): Promise<Losses> {
    return lossesOf(await this.#run({ kind: "plan", plan }));
  }

  #run(choice: Choice): Promise<ScoredText[]> {
    const ids = this.#texts.map((text) => text.ids);
    return this.#scorer.score(ids, choice, this.#onTokens);
  }
}

export function lossesOf(scored: readonly ScoredText[]): Losses {
  return scored.map(({ logprobs }) => logprobs.map((logprob) => -logprob));
}
