// A diagnosis as one self-contained HTML page: advice, what was measured, tables, and heat-maps of layers by modules for each
// pair.

import type { Advice } from "../../composition/diagnose/advice.ts";
import type { Diagnosis, PairDiagnosis, PlaceDiagnosis } from "../../composition/diagnose/diagnose.ts";
import { curve, dotPlot, heatMap } from "../../training/evaluation/charts.ts";
import { STYLE } from "../../training/evaluation/page_style.ts";
import { element, escaped } from "../../training/evaluation/svg.ts";
import { adapterTable, pairTable, setTable } from "./diagnosis_tables.ts";
import type { Measured } from "./measured.ts";
import { LOSS_NOTE, lossTable, measuredSentence, mergeTable } from "./measured_tables.ts";
import type { Table } from "./table.ts";

/** What a pair's maps show. A value of `full` or more is drawn in full colour. */
const MAPS: readonly { title: string; full: number; of: (pair: PairDiagnosis) => number }[] = [
  { title: "interference", full: 1, of: ({ interference }) => interference },
  { title: "share of their weight that a sum cancels", full: 0.5, of: ({ weightedConflict }) => weightedConflict },
  {
    title: "how much the stronger adds where the weaker reads, ÷ the weaker",
    full: 2,
    of: ({ drownsFirst, drownsSecond }) => Math.max(drownsFirst, drownsSecond),
  },
];

const TITLE = "molora: can these adapters be merged?";

export function diagnosisPage(diagnosis: Diagnosis, advice: Advice, measured?: Measured): string {
  const { adapters, pairs, growing } = diagnosis;
  const points = growing.map(({ interference }, i) => [i + 1, interference] as const);
  const head = element(
    "head",
    {},
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    element("title", {}, escaped(TITLE)),
    element("style", {}, STYLE),
  );
  const body = element(
    "body",
    {},
    element("h1", {}, escaped(TITLE)),
    ...advice.sentences.map((sentence, i) => element("p", i === 0 ? { class: "headline" } : {}, escaped(sentence))),
    ...(measured === undefined ? [] : [measuredSection(measured)]),
    section("Adapters", table(adapterTable(diagnosis))),
    section("Pairs", note(PAIR_NOTE), table(pairTable(diagnosis))),
    section(
      "The set",
      note("Adapters join in the order they were given. A cliff in the line is an adapter to leave out or to route."),
      adapters.length > 1 ? curve("Interference of the first adapters", "adapters", [{ label: "", points }]) : "",
      table(setTable(diagnosis)),
    ),
    ...pairs.map((pair) => pairSection(diagnosis, pair)),
  );
  return `<!doctype html>\n${element("html", { lang: "en" }, head, body)}\n`;
}

function measuredSection(measured: Measured): string {
  const seen = Object.entries(measured.sets).filter(([, { completionTokens }]) => completionTokens > 0);
  const plots = seen.map(([set, { texts, completionTokens }]) =>
    dotPlot(
      `${set}: ${texts} texts, ${completionTokens} tokens of completions`,
      measured.policies.map(({ name, title, sets }) => ({
        label: title,
        interval: sets[set].completions.loss,
        strong: name === "router" || name === "label",
      })),
    ),
  );
  return section(
    "Measured",
    element("p", { class: "headline" }, escaped(measuredSentence(measured))),
    note(LOSS_NOTE),
    ...plots,
    table(lossTable(measured)),
    table(mergeTable(measured)),
  );
}

const PAIR_NOTE =
  "Means over all matrices. Cancelled: the share of the entries' weight that their sum loses. Read alike, write alike: mean " +
  "squared cosine of the principal angles of their inputs and outputs; 1 where one lies within the other. Drowns: what one " +
  "adds where the other reads, divided by what the other does. Interference: of singular triples, divided by their sum.";

function pairSection({ adapters, places }: Diagnosis, { first, second }: PairDiagnosis): string {
  const shared = places.flatMap((place) => {
    const pair = place.pairs.find((one) => one.first === first && one.second === second);
    return pair === undefined ? [] : [{ place, pair }];
  });
  const layers = [...new Set(shared.map(({ place }) => place.layer))];
  const modules = [...new Set(shared.map(({ place }) => place.module))];
  const at = (layer: number, module: string) =>
    shared.find(({ place }: { place: PlaceDiagnosis }) => place.layer === layer && place.module === module)?.pair;
  const maps = MAPS.map(({ title, full, of }) =>
    heatMap(
      title,
      layers.map((layer) => `layer ${layer}`),
      modules.map((module) => module.replaceAll("_proj", "")),
      layers.map((layer) =>
        modules.map((module) => {
          const pair = at(layer, module);
          return pair === undefined ? null : of(pair);
        }),
      ),
      full,
    ),
  );
  return section(`${adapters[first].name} and ${adapters[second].name}`, ...maps);
}

function section(title: string, ...parts: string[]): string {
  return element("section", {}, element("h2", {}, escaped(title)), ...parts);
}

function note(text: string): string {
  return element("p", { class: "note" }, escaped(text));
}

function table({ head, rows }: Table): string {
  const line = (name: "th" | "td", cells: readonly string[]) =>
    element("tr", {}, ...cells.map((cell) => element(name, {}, escaped(cell))));
  const body = rows.map((cells) => line("td", cells));
  const whole = element("table", {}, element("thead", {}, line("th", head)), element("tbody", {}, ...body));
  return element("div", { class: "wide" }, whole);
}
