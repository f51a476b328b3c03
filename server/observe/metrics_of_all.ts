// The metrics of several profiles as one text: each series has the label `profile`.

import { AggregatorRegistry, Gauge, Registry } from "prom-client";
import type { Metrics } from "./metrics.ts";

export interface ObservedProfile {
  base: string;
  /** Undefined while its engine is not open. */
  readonly metrics: Metrics | undefined;
}

export class MetricsOfAll {
  readonly #profiles: readonly ObservedProfile[];
  readonly #own = new Registry();

  constructor(profiles: readonly ObservedProfile[]) {
    this.#profiles = profiles;
    new Gauge({
      name: "molora_profile_open",
      help: "Whether the profile's engine is open; a lazy one is when somebody asks for it",
      labelNames: ["profile"],
      registers: [this.#own],
      collect() {
        for (const { base, metrics } of profiles) this.set({ profile: base }, metrics === undefined ? 0 : 1);
      },
    });
  }

  get contentType(): string {
    return this.#own.contentType;
  }

  /** Series of different labels stay apart; there are no two of the same. */
  async text(): Promise<string> {
    const open = this.#profiles.flatMap(({ metrics }) => metrics?.registry ?? []);
    const each = await Promise.all([this.#own, ...open].map((registry) => registry.getMetricsAsJSON()));
    return AggregatorRegistry.aggregate(each).metrics();
  }
}
