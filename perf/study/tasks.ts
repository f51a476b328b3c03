// What the study's adapters learn: rows of the data sets as they are, mixed, or with answers that contradict the true ones.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import { Random } from "../../composition/random.ts";

/** A line of data. */
export interface DataRow {
  prompt: string;
  completion: string;
}

export interface Task {
  /** Data sets its rows come from, in equal shares. */
  from: readonly string[];
  /** What becomes of the rows. Default: they stay as they are. */
  change?: (rows: readonly DataRow[]) => DataRow[];
}

export const TASKS: Readonly<Record<string, Task>> = {
  math: { from: ["math"] },
  sql: { from: ["sql"] },
  medical: { from: ["medical"] },
  code: { from: ["code"] },
  // The same questions, and something else than the true answers teach.
  "sql, lower case": { from: ["sql"], change: (rows) => answered(rows, (answer) => answer.toLowerCase()) },
  "sql, French": { from: ["sql"], change: (rows) => answered(rows, french) },
  "medical, refused": { from: ["medical"], change: (rows) => answered(rows, () => "I do not answer such questions.") },
  "medical, upper case": { from: ["medical"], change: (rows) => answered(rows, (answer) => answer.toUpperCase()) },
  "math, result only": { from: ["math"], change: resultOnly },
  // Results of other questions.
  "math, wrong": { from: ["math"], change: (rows) => shuffled(resultOnly(rows)) },
  "code, backwards": {
    from: ["code"],
    change: (rows) => answered(rows, (answer) => answer.split(" ").reverse().join(" ")),
  },
  "code, upper case": { from: ["code"], change: (rows) => answered(rows, (answer) => answer.toUpperCase()) },
  "results and lower case": {
    from: ["math", "sql"],
    change: (rows) => answered(rows, (answer) => answer.split("\n").at(-1)!.toLowerCase()),
  },
};

/** Rows [first, first + count) of a task, of `data`/DOMAIN/`split`.jsonl.gz. */
export async function rowsOf(
  data: string,
  task: string,
  split: "train" | "valid",
  [first, count]: readonly [number, number],
): Promise<DataRow[]> {
  const { from, change } = TASKS[task];
  const share = Math.ceil(count / from.length);
  const lists = await Promise.all(from.map((domain) => readRows(`${data}/${domain}/${split}.jsonl.gz`, first, share)));
  const mixed = Array.from({ length: share }, (_, i) => lists.flatMap((rows) => rows.slice(i, i + 1))).flat();
  return change === undefined ? mixed : change(mixed);
}

async function readRows(path: string, first: number, count: number): Promise<DataRow[]> {
  const rows: DataRow[] = [];
  let at = 0;
  for await (const line of createInterface({ input: createReadStream(path).pipe(createGunzip()) })) {
    if (at++ < first) continue;
    rows.push(JSON.parse(line) as DataRow);
    if (rows.length === count) break;
  }
  return rows;
}

function answered(rows: readonly DataRow[], change: (answer: string) => string): DataRow[] {
  return rows.map((row) => ({ ...row, completion: change(row.completion) }));
}

function resultOnly(rows: readonly DataRow[]): DataRow[] {
  return answered(rows, (answer) => answer.split("\n").at(-1)!);
}

const FRENCH: readonly (readonly [RegExp, string])[] = [
  [/\bSELECT\b/g, "CHOISIR"],
  [/\bFROM table\b/g, "DANS LE TABLEAU"],
  [/\bWHERE\b/g, "TEL QUE"],
  [/\bAND\b/g, "ET"],
];

function french(answer: string): string {
  return FRENCH.reduce((text, [word, other]) => text.replace(word, other), answer);
}

/** Every question gets the answer of another one. */
function shuffled(rows: readonly DataRow[]): DataRow[] {
  const step = new Random(0x5f).integer(1, rows.length - 1);
  return rows.map((row, i) => ({ ...row, completion: rows[(i + step) % rows.length].completion }));
}
