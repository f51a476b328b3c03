// A report as Markdown tables, for terminals and for pull requests.

import { percent } from "./headline.ts";
import { binText, type EvaluationReport, type Gain, type Measure, type PolicyReport } from "./report.ts";

export function toMarkdown(report: EvaluationReport): string {
  const mixed = Object.keys(report.policies[0].gain);
  const single = Object.keys(report.sets).filter((set) => !mixed.includes(set));
  return [
    report.headline,
    "Mean loss in nats a token with its 95 % interval from resampling texts, and bits per byte. Gain: share of the way from " +
      "*per text, best with hindsight* to *right adapter by label*.",
    ...mixed.map((set) => mixedTable(report, set)),
    ...(single.length === 0 ? [] : [singleTable(report, single)]),
    ...Object.keys(report.routing).map((set) => routingTable(report, set)),
    "",
  ].join("\n\n");
}

function mixedTable({ policies, sets }: EvaluationReport, set: string): string {
  const head = [set, "all tokens", "bits/byte", "gain", "completions", "bits/byte", "gain"];
  const rows = policies.map((policy) => {
    const { all, completions } = policy.sets[set];
    const gain: Gain = policy.gain[set];
    return [
      titleOf(policy),
      ...cells(all),
      `${percent(gain.all.value)} (${percent(gain.all.low)} to ${percent(gain.all.high)})`,
      ...cells(completions),
      `${percent(gain.completions.value)} (${percent(gain.completions.low)} to ${percent(gain.completions.high)})`,
    ];
  });
  const { texts, tokens } = sets[set];
  return `${markdownTable(head, rows)}\n\n${texts} texts, ${tokens} tokens.`;
}

function cells({ loss, bitsPerByte }: Measure): string[] {
  return [`${loss.value.toFixed(3)} (${loss.low.toFixed(2)}–${loss.high.toFixed(2)})`, bitsPerByte.toFixed(3)];
}

function singleTable({ policies }: EvaluationReport, sets: readonly string[]): string {
  const head = ["one domain", ...sets.flatMap((set) => [`${set}, all`, `${set}, completions`])];
  const rows = policies.map((policy) => [
    titleOf(policy),
    ...sets.flatMap((set) => [policy.sets[set].all, policy.sets[set].completions].map(lossOf)),
  ]);
  return markdownTable(head, rows);
}

function lossOf({ loss }: Measure): string {
  return loss.value.toFixed(3);
}

function titleOf({ name, title }: PolicyReport): string {
  return name === "router" ? `**${title}**` : title;
}

function routingTable({ routing, experts, bins }: EvaluationReport, set: string): string {
  const { labelSwitches, layers } = routing[set];
  const switched = layers.some(({ sinceSwitch }) => sinceSwitch.some((value) => value !== null));
  const head = [
    `routing of ${set}`,
    "agreement",
    "entropy",
    "switches / 100",
    ...experts.map((name) => `load ${name}`),
    ...(switched ? bins.map((bin) => `+${binText(bin)}`) : []),
  ];
  const rows = layers.map(({ agreement, entropy, switches, load, sinceSwitch }, i) => [
    `layer ${i}`,
    agreement.toFixed(3),
    entropy.toFixed(3),
    switches.toFixed(2),
    ...load.map((share) => share.toFixed(3)),
    ...(switched ? sinceSwitch.map((value) => value?.toFixed(2) ?? "") : []),
  ]);
  const legend = switched ? " Columns +n: agreement, by tokens since the label changed." : "";
  return `${markdownTable(head, rows)}\n\nLabels switch ${labelSwitches.toFixed(2)} times in 100 tokens.${legend}`;
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}
