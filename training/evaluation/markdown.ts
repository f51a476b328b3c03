// A report as a Markdown table for people and for pull requests.
// It knows nothing of HTML.

import { percent } from "./headline.ts";
import type { EvaluationReport, Gain, Measure, PolicyReport } from "./report.ts";

export function toMarkdown(report: EvaluationReport): string {
  const sets = Object.keys(report.sets);
  const mixed = Object.keys(report.policies[0]!.gain);
  const head = [
    "policy",
    ...sets.flatMap((set) => [`${set}, all`, `${set}, completions`]),
    ...mixed.flatMap((set) => [`gain ${set}, all`, `gain ${set}, completions`]),
  ];
  const rows = report.policies.map((policy) => [
    emphasised(policy),
    ...sets.flatMap((set) => [cell(policy.sets[set]!.all), cell(policy.sets[set]!.completions)]),
    ...mixed.flatMap((set) => gainCells(policy.gain[set]!)),
  ]);
  return `${report.headline}

Mean loss in nats a token, with 95 % intervals from resampling texts; bits per byte in brackets. Gain: share of the way from
*per text, best with hindsight* to *right adapter by label*.

${markdownTable(head, rows)}

${routingTables(report)}`;
}

function emphasised({ name, title }: PolicyReport): string {
  return name === "router" ? `**${title}**` : title;
}

function cell({ loss, bitsPerByte }: Measure): string {
  return `${loss.value.toFixed(3)} (${loss.low.toFixed(2)}–${loss.high.toFixed(2)}) [${bitsPerByte.toFixed(3)}]`;
}

function gainCells({ all, completions }: Gain): string[] {
  return [all, completions].map(({ value, low, high }) => `${percent(value)} (${percent(low)}–${percent(high)})`);
}

function routingTables({ routing, experts, bins }: EvaluationReport): string {
  return Object.entries(routing)
    .map(([set, { labelSwitches, layers }]) => {
      const head = ["layer", "agreement", "entropy", "switches / 100 tokens", ...experts.map((name) => `load ${name}`)];
      const since = bins.map(([first, last]) =>
        last === null ? `${first}+` : first === last ? first : `${first}–${last}`,
      );
      const rows = layers.map((layer, i) => [
        String(i),
        layer.agreement.toFixed(3),
        layer.entropy.toFixed(3),
        layer.switches.toFixed(2),
        ...layer.load.map((share) => share.toFixed(3)),
        ...layer.sinceSwitch.map((agreement) => agreement?.toFixed(2) ?? ""),
      ]);
      return `Routing of ${set} texts (labels switch ${labelSwitches.toFixed(2)} times in 100 tokens; the last columns: agreement by tokens since a switch)

${markdownTable([...head, ...since.map((bin) => `+${bin}`)], rows)}
`;
    })
    .join("\n");
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}
