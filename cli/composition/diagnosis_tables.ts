// A diagnosis as Markdown: what it advises, then adapters, pairs, how the set grows, and what was measured.

import type { Advice } from "../../composition/diagnose/advice.ts";
import type { Diagnosis, PairDiagnosis } from "../../composition/diagnose/diagnose.ts";
import type { Measured } from "./measured.ts";
import { LOSS_NOTE, lossTable, measuredSentence, mergeTable } from "./measured_tables.ts";
import type { Table } from "./table.ts";

/** Columns of a pair's table: a title and what it shows. */
export const PAIR_COLUMNS: readonly [title: string, of: keyof PairDiagnosis][] = [
  ["cosine", "cosine"],
  ["smaller ÷ larger", "normRatio"],
  ["opposite signs", "signConflict"],
  ["cancelled", "weightedConflict"],
  ["read alike", "inputAlignment"],
  ["write alike", "outputAlignment"],
  ["second drowns first", "drownsFirst"],
  ["first drowns second", "drownsSecond"],
  ["interference", "interference"],
];

export function adapterTable({ adapters }: Diagnosis): Table {
  return {
    head: ["adapter", "rank", "norm", "effective rank", "stable rank"],
    rows: adapters.map(({ name, ranks, norm, effectiveRank, stableRank }) => [
      name,
      ranks.join(", "),
      ...[norm, effectiveRank, stableRank].map((value) => value.toFixed(1)),
    ]),
  };
}

export function pairTable({ adapters, pairs }: Diagnosis): Table {
  return {
    head: ["pair", ...PAIR_COLUMNS.map(([title]) => title)],
    rows: pairs.map((pair) => [
      `${adapters[pair.first].name}, ${adapters[pair.second].name}`,
      ...PAIR_COLUMNS.map(([, of]) => pair[of].toFixed(2)),
    ]),
  };
}

/** One row for the set as each adapter joins it, and for the set without that adapter. */
export function setTable({ adapters, growing, without }: Diagnosis): Table {
  return {
    head: ["adapter", "interference once it has joined", "cancelled", "interference without it", "cancelled"],
    rows: adapters.map(({ name }, i) => [
      name,
      ...[growing[i], without[i]].flatMap(({ interference, weightedConflict }) => [
        interference.toFixed(2),
        weightedConflict.toFixed(2),
      ]),
    ]),
  };
}

export function diagnosisMarkdown(diagnosis: Diagnosis, { sentences }: Advice, measured?: Measured): string {
  const tables = [adapterTable(diagnosis), pairTable(diagnosis), setTable(diagnosis)].map(markdownTable);
  const found =
    measured === undefined
      ? []
      : [measuredSentence(measured), LOSS_NOTE, ...[lossTable(measured), mergeTable(measured)].map(markdownTable)];
  return [sentences.join("\n"), ...tables, ...found].join("\n\n");
}

export function markdownTable({ head, rows }: Table): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
