// A report as one self-contained HTML page: its finding in a sentence, then charts, heat-maps and the figures.
// It loads nothing from the network.

import { curve, dotPlot, heatMap, type Line } from "./charts.ts";
import { percent } from "./headline.ts";
import { STYLE } from "./page_style.ts";
import { binText, type EvaluationReport, type RoutingReport, type TrainingCurve } from "./report.ts";
import { element, escaped } from "./svg.ts";

export function toPage(report: EvaluationReport): string {
  const title = "molora: does routing pay?";
  const head = element(
    "head",
    {},
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    element("title", {}, escaped(title)),
    element("style", {}, STYLE),
  );
  const body = element(
    "body",
    {},
    element("h1", {}, escaped(title)),
    element("p", { class: "headline" }, escaped(report.headline)),
    ...mixedSets(report).map((set) => lossSection(report, set)),
    singleSection(report),
    ...Object.entries(report.routing).map(([set, routing]) => routingSection(set, routing, report)),
    report.training === undefined ? "" : trainingSection(report.training),
  );
  return `<!doctype html>\n${element("html", { lang: "en" }, head, body)}\n`;
}

function mixedSets({ policies }: EvaluationReport): string[] {
  return Object.keys(policies[0].gain);
}

function lossSection({ policies, sets }: EvaluationReport, set: string): string {
  const { texts, tokens, completionTokens } = sets[set];
  const rows = (which: "all" | "completions") =>
    policies.map(({ name, title, sets }) => ({
      label: title,
      interval: sets[set][which].loss,
      strong: name === "router",
    }));
  const table = figures(
    ["policy", "all tokens", "bits/byte", "gain", "completions", "bits/byte", "gain"],
    policies.map(({ name, title, sets, gain }) => {
      const { all, completions } = sets[set];
      const cells = [
        title,
        all.loss.value.toFixed(3),
        all.bitsPerByte.toFixed(3),
        percent(gain[set].all.value),
        completions.loss.value.toFixed(3),
        completions.bitsPerByte.toFixed(3),
        percent(gain[set].completions.value),
      ];
      return { cells, strong: name === "router" };
    }),
  );
  return section(
    `Texts: ${set}`,
    note(
      `${texts} texts, ${tokens} tokens, ${completionTokens} of them in completions. Mean loss in nats a token; the bar is ` +
        "the 95 % interval from resampling texts. Gain: share of the way from the best single expert of each whole text, " +
        "chosen with hindsight, to the right adapter for every token.",
    ),
    dotPlot("All tokens", rows("all")),
    dotPlot("Completions only", rows("completions")),
    table,
  );
}

function singleSection(report: EvaluationReport): string {
  const sets = Object.keys(report.sets).filter((set) => !mixedSets(report).includes(set));
  if (sets.length === 0) return "";
  const rows = report.policies.map(({ name, title, sets: measures }) => ({
    cells: [
      title,
      ...sets.flatMap((set) =>
        (["all", "completions"] as const).map((which) => measures[set][which].loss.value.toFixed(3)),
      ),
    ],
    strong: name === "router",
  }));
  const head = ["policy", ...sets.flatMap((set) => [`${set}, all`, "completions"])];
  return section("Texts of one domain", note("Mean loss in nats a token."), figures(head, rows));
}

function routingSection(
  set: string,
  { labelSwitches, layers }: RoutingReport,
  { experts, bins }: EvaluationReport,
): string {
  const names = layers.map((_, i) => `layer ${i}`);
  const since = layers.map((layer) => layer.sinceSwitch);
  const switched = since.some((row) => row.some((value) => value !== null));
  const summary = figures(
    ["layer", "agreement", "entropy, nats", "switches / 100 tokens"],
    layers.map(({ agreement, entropy, switches }, i) => ({
      cells: [String(i), agreement.toFixed(3), entropy.toFixed(3), switches.toFixed(2)],
      strong: false,
    })),
  );
  return section(
    `Routing: ${set}`,
    note(`The labels switch ${labelSwitches.toFixed(2)} times in 100 tokens.`),
    heatMap(
      "Expert load: share of tokens",
      names,
      experts,
      layers.map(({ load }) => load),
    ),
    switched ? heatMap("Agreement with the label, by tokens since it changed", names, bins.map(binText), since) : "",
    summary,
  );
}

function trainingSection(training: TrainingCurve): string {
  const loss = linesOf(training, "loss");
  const agreement = linesOf(training, "agreement");
  return section(
    "Training",
    curve("Loss, in nats a token", "step", loss),
    agreement.length === 0 ? "" : curve("Agreement with the label, mean over layers", "step", agreement),
  );
}

/** One line for training and one for the validation texts, of the steps where they were measured. */
function linesOf({ steps, valid }: TrainingCurve, value: "loss" | "agreement"): Line[] {
  const line = (label: string, measured: TrainingCurve["valid"]): Line => ({
    label,
    points: measured.flatMap((at) => {
      const y = at[value];
      return y === undefined ? [] : [[at.step, y] as const];
    }),
  });
  return [line("training", steps), line("validation", valid)].filter(({ points }) => points.length > 0);
}

function section(title: string, ...parts: string[]): string {
  return element("section", {}, element("h2", {}, escaped(title)), ...parts);
}

function note(text: string): string {
  return element("p", { class: "note" }, escaped(text));
}

function figures(head: readonly string[], rows: readonly { cells: readonly string[]; strong: boolean }[]): string {
  const titles = element("tr", {}, ...head.map((cell) => element("th", {}, escaped(cell))));
  const body = rows.map(({ cells, strong }) =>
    element("tr", strong ? { class: "strong" } : {}, ...cells.map((cell) => element("td", {}, escaped(cell)))),
  );
  const table = element("table", {}, element("thead", {}, titles), element("tbody", {}, ...body));
  return element("div", { class: "wide" }, table);
}
