// Does the diagnosis foretell what merging costs? Correlations, rules with their share of failures caught, and plots.
// Usage: node dist/perf/study/analyse.js FILE.jsonl[.gz] FOLDER-FOR-PLOTS
// Prints Markdown. Every definition it uses stands in docs/diagnosis.md.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { markdownTable } from "../../cli/composition/diagnosis_tables.ts";
import { heatMap } from "../../training/evaluation/charts.ts";
import { scatter, standalone } from "./plots.ts";
import { readStudy, type SetRecord, type Study, type WeightMeasures } from "./record.ts";
import {
  bestRule,
  type Case,
  type Estimate,
  foretells,
  foretoldShare,
  type Judged,
  leaveOneOut,
  mean,
  overAdapters,
  pearson,
  spearman,
} from "./statistics.ts";
import { TASKS } from "./tasks.ts";
import { combined } from "./together.ts";

/** An adapter whose gain over the base is smaller cannot be said to lose it. Nats a token. */
const LEAST_GAIN = 0.1;
/** A merge fails where some adapter loses more than this share of its gain: it is worse than the base then. */
const FAILS = 1;
/** Fewer sets than this say nothing of a way. */
const FEWEST = 12;
/** Lost shares beyond these say no more: for Pearson's correlation, for the fit of all measures, and for plots. */
const [LEAST_LOST, MOST_LOST] = [-0.5, 5];

const MEASURES: readonly (readonly [title: string, of: keyof WeightMeasures])[] = [
  ["interference", "interference"],
  ["cancelled weight", "weightedConflict"],
  ["opposite signs", "signConflict"],
  ["cosine", "cosine"],
  ["read alike", "inputAlignment"],
  ["write alike", "outputAlignment"],
  ["drowns", "drowns"],
  ["larger ÷ smaller", "normRatio"],
];

const [path, folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: node dist/perf/study/analyse.js FILE.jsonl FOLDER");
const study = await readStudy(path);
const gains = new Map(study.adapters.map(({ name, base, alone }) => [name, base - alone]));
const kept = study.sets.filter(({ members }) => members.every((name) => gains.get(name)! >= LEAST_GAIN));
const pairs = kept.filter(({ members }) => members.length === 2);
const larger = kept.filter(({ members }) => members.length > 2);
const ways = [...new Set(kept.flatMap(({ losses }) => Object.keys(losses)))];
const alone = new Map(study.adapters.map(({ name, alone }) => [name, alone]));

const lines: string[] = [];
adapterSection(study);
outcomeSection();
await correlationSection();
await ruleSection();
await drownedSection();
console.log(lines.join("\n\n"));

/** The share of its gain that the worst-off member loses; 0: none, 1: all, above: worse than the base. */
function lost({ members, losses }: SetRecord, way: string): number {
  return Math.max(...lostEach({ members, losses }, way));
}

function lostEach({ members, losses }: Pick<SetRecord, "members" | "losses">, way: string): number[] {
  return losses[way].map((loss, i) => (loss - alone.get(members[i])!) / gains.get(members[i])!);
}

function clipped(value: number): number {
  return Math.min(MOST_LOST, Math.max(LEAST_LOST, value));
}

/** Sets of which a way can merge: some need equal ranks. */
function mergedBy(sets: readonly SetRecord[], way: string): SetRecord[] {
  return sets.filter(({ losses }) => way in losses);
}

function adapterSection({ adapters }: Study): void {
  const rows = adapters.map(({ name, task, base, alone }) => {
    const gain = base - alone;
    const used = gain >= LEAST_GAIN ? "" : "left out";
    return [name, task, base.toFixed(2), alone.toFixed(2), gain.toFixed(2), used];
  });
  lines.push("## Adapters", markdownTable({ head: ["adapter", "task", "base", "alone", "gain", ""], rows }));
}

function outcomeSection(): void {
  const rows = ways.flatMap((way) =>
    [pairs, larger].map((sets, i) => {
      const own = mergedBy(sets, way);
      const worst = own.map((set) => lost(set, way)).sort((a, b) => a - b);
      const all = own.flatMap((set) => lostEach(set, way));
      return [
        `${way}, ${i === 0 ? "pairs" : "3 to 6"}`,
        `${own.length}`,
        percent(1 - mean(all)),
        percent(1 - worst[worst.length >> 1]),
        percent(worst.filter((value) => value > 0.5).length / own.length),
        percent(worst.filter((value) => value > FAILS).length / own.length),
      ];
    }),
  );
  const head = ["merged by", "sets", "kept, mean", "kept by the worst off, median", "below half", "fail"];
  lines.push("## What merging keeps", markdownTable({ head, rows }));
}

async function correlationSection(): Promise<void> {
  for (const [title, sets, outcome, file] of [
    ["the share lost, pairs", pairs, (set: SetRecord, way: string) => clipped(lost(set, way)), "correlation_pairs"],
    ["nats lost, pairs", pairs, natsLost, undefined],
    ["the share lost, sets of 3 to 6", larger, (set: SetRecord, way: string) => clipped(lost(set, way)), undefined],
  ] as const) {
    const own = ways.filter((way) => mergedBy(sets, way).length >= FEWEST);
    const cells = MEASURES.map(([, of]) =>
      own.map((way) => {
        const cases = mergedBy(sets, way).map(
          (set): Case => ({ members: set.members, x: set.measures[of], y: outcome(set, way) }),
        );
        return [spearman, pearson].map((correlation) =>
          overAdapters(cases, (drawn) =>
            correlation(
              drawn.map(({ x }) => x),
              drawn.map(({ y }) => y),
            ),
          ),
        );
      }),
    );
    const rows = MEASURES.map(([name], m) => [
      name,
      // Few sets of several are left when adapters are drawn anew: their intervals would say nothing.
      ...cells[m].map(
        ([rank, linear]) => `${sets === pairs ? span(rank) : rank.value.toFixed(2)}; ${linear.value.toFixed(2)}`,
      ),
    ]);
    lines.push(
      `## Correlation with ${title}`,
      "Spearman with its 95 % interval; Pearson.",
      markdownTable({ head: ["", ...own], rows }),
    );
    if (file === undefined) continue;
    const values = cells.map((row) => row.map(([rank]) => rank.value));
    await save(
      file,
      heatMap(
        `Spearman's correlation with ${title}`,
        MEASURES.map(([name]) => name),
        own,
        values,
      ),
    );
  }
}

/** Of the member that loses most. */
function natsLost({ members, losses }: SetRecord, way: string): number {
  return Math.max(...losses[way].map((loss, i) => loss - alone.get(members[i])!));
}

async function ruleSection(): Promise<void> {
  for (const way of ways) {
    const own = mergedBy(pairs, way);
    const rate = mean(own.map((set) => (lost(set, way) > FAILS ? 1 : 0)));
    const judged = MEASURES.map(([title, of]): [string, Judged[]] => [
      title,
      own.map((set) => ({ members: set.members, x: set.measures[of], failed: lost(set, way) > FAILS })),
    ]);
    const told = judged.map(([title, cases]) => ({ title, told: leaveOneOut(cases), rule: bestRule(cases) }));
    told.push({
      title: "all together",
      ...combined(
        own.map((set) => ({ set, lost: clipped(lost(set, way)) })),
        FAILS,
      ),
    });
    const rows = told.map(({ title, told: one, rule }) => {
      const caught = overAdapters(one, (drawn) => foretoldShare(drawn, true));
      const alarms = overAdapters(one, (drawn) => foretoldShare(drawn, false));
      return [
        title,
        `${rule.above ? ">" : "<"} ${rule.threshold.toPrecision(3)}`,
        shares(caught),
        shares(alarms),
        percent(mean(one.filter(({ foretold }) => foretold).map(({ failed }) => (failed ? 1 : 0)))),
      ];
    });
    const others = mergedBy(larger, way);
    const head = ["", "rule of all pairs", "failures caught", "false alarms", "alarms that are right"];
    lines.push(
      `## Rules for pairs merged by ${way}: ${percent(rate)} of ${own.length} fail`,
      markdownTable({ head, rows }),
    );
    const carried = MEASURES.map(([title, of], m) => {
      const rule = bestRule(judged[m][1]);
      const cases = others.map((set) => ({
        members: set.members,
        failed: lost(set, way) > FAILS,
        foretold: foretells(rule, set.measures[of]),
      }));
      return `${title} ${percent(foretoldShare(cases, true))} / ${percent(foretoldShare(cases, false))}`;
    });
    lines.push(`The same rules on sets of 3 to 6, caught / false alarms: ${carried.join(", ")}.`);
  }
  const points = mergedBy(pairs, "average").map((set) => ({
    x: set.measures.interference,
    y: clipped(lost(set, "average")),
    strong: contradict(set.members),
  }));
  const title = "What the worst-off adapter of a pair loses under the average, by interference";
  await save("interference", scatter(title, "interference of the pair", "share of its gain lost", points));
}

/** Whether two of them answer the same questions differently. */
function contradict(members: readonly string[]): boolean {
  const tasks = members.map((name) => study.adapters.find((adapter) => adapter.name === name)!.task);
  return tasks.some((task, i) =>
    tasks
      .slice(i + 1)
      .some((other) => other !== task && TASKS[other].from.some((set) => TASKS[task].from.includes(set))),
  );
}

/** Member by member: does the one that another drowns lose more? */
async function drownedSection(): Promise<void> {
  const rows = ways.map((way) => {
    const cases = mergedBy(pairs, way).flatMap((set): Case[] =>
      lostEach(set, way).map((y, i) => ({ members: set.members, x: set.drowned[i], y: clipped(y) })),
    );
    const found = overAdapters(cases, (drawn) =>
      spearman(
        drawn.map(({ x }) => x),
        drawn.map(({ y }) => y),
      ),
    );
    const which = mergedBy(pairs, way).map((set) => {
      const [first, second] = lostEach(set, way);
      return first > second === set.drowned[0] > set.drowned[1] ? 1 : 0;
    });
    return [way, span(found), percent(mean(which))];
  });
  const points = mergedBy(pairs, "average").flatMap((set) =>
    lostEach(set, "average").map((y, i) => ({ x: set.drowned[i], y: clipped(y), strong: contradict(set.members) })),
  );
  const title = "What each adapter of a pair loses under the average, by how far the other drowns it";
  await save(
    "drowned",
    scatter(title, "what the other adds where it reads, ÷ what it does", "share of its gain lost", points),
  );
  lines.push(
    "## The drowned adapter",
    markdownTable({
      head: ["", "drowned and lost share, each adapter of a pair", "the more drowned one loses more"],
      rows,
    }),
  );
}

async function save(name: string, figure: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${name}.svg`), standalone(figure));
}

function span({ value, low, high }: Estimate): string {
  return `${value.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
}

function shares({ value, low, high }: Estimate): string {
  return `${percent(value)} (${percent(low)} to ${percent(high)})`;
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(0)} %` : "none";
}
