// Turns the domains of a text's tokens into the beliefs that a router should have at each of them.

import type { LabelledText } from "../router/trainer.ts";
import type { RenderedRow } from "./render.ts";

/** The label of a token whose text has no domain: no expert is the right one. */
export const UNLABELLED = -1;

/** Index of the expert named like the token's domain. */
export function labelsOf(row: RenderedRow, experts: readonly string[]): number[] {
  return row.domains.map((domain) => (domain === undefined ? UNLABELLED : experts.indexOf(domain)));
}

/** All belief is on the label. A token without one has weight 0, one of a completion `completions`, any other 1. */
export function labelledText(row: RenderedRow, experts: readonly string[], completions = 1): LabelledText {
  const targets = new Float32Array(row.ids.length * experts.length);
  for (const [t, label] of labelsOf(row, experts).entries()) {
    if (label !== UNLABELLED) targets[t * experts.length + label] = row.counted[t] ? completions : 1;
  }
  return { ids: row.ids, targets };
}
