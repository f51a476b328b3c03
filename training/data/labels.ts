// From the domains of a text's tokens to what a router should believe at each of them.
// It knows nothing of texts that carry no domains.

import type { LabelledText } from "../router/trainer.ts";
import type { RenderedRow } from "./render.ts";

/** No expert is the right one: the token's text has no domain. */
export const UNLABELLED = -1;

/** Index of the expert named like the token's domain. */
export function labelsOf(row: RenderedRow, experts: readonly string[]): number[] {
  return row.domains.map((domain) => (domain === undefined ? UNLABELLED : experts.indexOf(domain)));
}

/** All belief on the label; a token that nothing labels counts for nothing, one of a completion `completions` times. */
export function labelledText(row: RenderedRow, experts: readonly string[], completions = 1): LabelledText {
  const targets = new Float32Array(row.ids.length * experts.length);
  for (const [t, label] of labelsOf(row, experts).entries()) {
    if (label !== UNLABELLED) targets[t * experts.length + label] = row.counted[t] ? completions : 1;
  }
  return { ids: row.ids, targets };
}
