// Says in one plain sentence whether routing pays.

import type { PolicyReport } from "./report.ts";
import { MIXED, MIXED_WITH_BASE } from "./texts.ts";

export function headlineOf(policies: readonly PolicyReport[]): string {
  const policy = (name: string) => policies.find((report) => report.name === name)!;
  const [router, text] = [policy("router"), policy("text-hindsight")];
  const set = [MIXED, MIXED_WITH_BASE].find((name) => router.sets[name] !== undefined);
  if (set === undefined) return "Whether routing pays cannot be said: no text holds more than one domain.";
  const { all, completions } = router.gain[set];
  const verdict =
    all.low > 0 ? "Routing pays" : all.high < 0 ? "Routing does not pay" : "It is not certain that routing pays";
  const nats = (name: typeof router) => name.sets[set].all.loss.value.toFixed(3);
  return (
    `${verdict}: on ${set} texts this router costs ${nats(router)} nats a token, the best single adapter of each whole ` +
    `text, chosen with hindsight, ${nats(text)}. That is ${percent(all.value)} of the way to the right adapter for every ` +
    `token (95 %: ${percent(all.low)} to ${percent(all.high)}), ${percent(completions.value)} on completions.`
  );
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
