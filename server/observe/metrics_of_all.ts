// The metrics of several profiles as one text: each series has the label `profile`.

import { AggregatorRegistry } from "prom-client";
import type { Metrics } from "./metrics.ts";

export class MetricsOfAll {
  readonly #all: readonly Metrics[];

  constructor(profiles: readonly { base: string; metrics: Metrics }[]) {
    this.#all = profiles.map(({ metrics }) => metrics);
    for (const { base, metrics } of profiles) metrics.registry.setDefaultLabels({ profile: base });
  }

  get contentType(): string {
    return this.#all[0].contentType;
  }

  /** Series of different labels stay apart; there are no two of the same. */
  async text(): Promise<string> {
    const each = await Promise.all(this.#all.map(({ registry }) => registry.getMetricsAsJSON()));
    return AggregatorRegistry.aggregate(each).metrics();
  }
}
