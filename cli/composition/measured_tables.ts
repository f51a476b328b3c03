// What was measured of adapters used together, as tables and in a sentence.

import { percent } from "../../training/evaluation/headline.ts";
import type { Measure } from "../../training/evaluation/report.ts";
import type { Measured } from "./measured.ts";
import type { Table } from "./table.ts";

type Policy = Measured["policies"][number];

/** Loss on completions with its interval, and what is kept of the right adapters' gain, by set of texts. */
export function lossTable({ policies, sets }: Measured): Table {
  const names = Object.keys(sets);
  return {
    head: ["", ...names.flatMap((set) => [`${set}, nats`, "kept"])],
    rows: policies.map(({ title, sets: measures, kept }) => [
      title,
      ...names.flatMap((set) => {
        return [lossText(measures[set].completions), set in kept ? percent(kept[set]) : ""];
      }),
    ]),
  };
}

/** Of one text there is nothing to resample, and of none no loss. */
function lossText({ tokens, loss: { value, low, high } }: Measure): string {
  if (tokens === 0) return "–";
  const interval = low === high ? "one text" : `${low.toFixed(2)}–${high.toFixed(2)}`;
  return `${value.toFixed(3)} (${interval})`;
}

export const LOSS_NOTE =
  "Loss of completions in nats a token with its 95 % interval from resampling texts; –: no completion lies within --length. Kept: the share of what the right " +
  "adapter gains over the base; below 0 % is worse than the base. A merge loses most where what it keeps of one domain is least.";

export function mergeTable({ merges }: Measured): Table {
  return {
    head: ["method", "weights", "rank", "seconds", "lost to its rank"],
    rows: merges.map(({ method, weight, seconds, report: { ranks, lost } }) => [
      method,
      weight.toFixed(2),
      ranks.join(", "),
      seconds.toFixed(1),
      lost === undefined ? "" : percent(lost.all),
    ]),
  };
}

/** The merge that keeps most of the domain it treats worst, beside the right adapter by label and the router. */
export function measuredSentence({ policies, sets }: Measured): string {
  const domains = Object.keys(sets).filter((set) =>
    policies.some(({ name, kept }) => name === `adapter ${set}` && set in kept),
  );
  if (domains.length === 0) return "No domain was measured whose adapter gains anything over the base there.";
  const merges = policies.filter(({ name }) => name.startsWith("merge ") || name.startsWith("stack"));
  const best = merges.reduce((one, other) => (worst(other, domains).kept > worst(one, domains).kept ? other : one));
  const { domain, kept } = worst(best, domains);
  const router = policies.find(({ name }) => name === "router");
  const routed = router && worst(router, domains);
  return (
    `Measured: of the merges and stacks, "${best.title}" spares the domain it treats worst the most: it keeps ` +
    `${percent(mean(best, domains))} of what each adapter gains alone on average, and ${percent(kept)} on ${domain}.` +
    (routed === undefined
      ? " The right adapter for each text keeps all of it."
      : ` Routing keeps ${percent(mean(router!, domains))} on average, and ${percent(routed.kept)} on ${routed.domain}.`)
  );
}

function worst({ kept }: Policy, domains: readonly string[]): { domain: string; kept: number } {
  const domain = domains.reduce((least, other) => (kept[other] < kept[least] ? other : least));
  return { domain, kept: kept[domain] };
}

function mean({ kept }: Policy, domains: readonly string[]): number {
  return domains.reduce((sum, domain) => sum + kept[domain], 0) / domains.length;
}
