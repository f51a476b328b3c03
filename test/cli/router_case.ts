// What the tests of train-router share: the tiny model, two of its adapters, rows of three domains in a folder of their own.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";

const TINY = "test/fixtures/tiny";
export const BASE = `${TINY}/base`;
export const ADAPTERS = `${TINY}/adapters`;
export const MODEL = ["--model", BASE];
export const TWO = ["--adapter", `plus=${ADAPTERS}/r8`, "--adapter", `query=${ADAPTERS}/r16`];
export const SMALL = ["--batch", "2", "--length", "48", "--hidden", "8", "--texts", "4", "--seed", "5"];

export interface RouterCase {
  folder: string;
  /** --data of three files: "plus", "query" and "base". */
  data: string[];
  /** --valid of three more: other rows of the same kinds. */
  valid: string[];
  /** Writes twenty rows; returns the file's path. */
  rows(name: string, row: (n: number) => object): Promise<string>;
}

const ROWS: Record<string, (n: number) => object> = {
  plus: (n) => ({ prompt: `add ${n}`, completion: `${n} + ${n} = ${2 * n}` }),
  query: (n) => ({ prompt: `find ${n}`, completion: `SELECT a FROM b WHERE c = ${n};` }),
  base: (n) => ({ text: `It was evening, and the ${n} birds had gone to sleep.` }),
};

/** Filled in before the file's first test, removed after its last. */
export function routerCase(): RouterCase {
  const made: RouterCase = {
    folder: "",
    data: [],
    valid: [],
    async rows(name, row) {
      const path = join(made.folder, `${name}.jsonl`);
      await writeFile(path, Array.from({ length: 20 }, (_, n) => JSON.stringify(row(n))).join("\n"));
      return path;
    },
  };
  before(async () => {
    made.folder = await mkdtemp(join(tmpdir(), "molora-router-"));
    for (const [domain, row] of Object.entries(ROWS)) {
      made.data.push("--data", `${domain}=${await made.rows(domain, row)}`);
      made.valid.push("--valid", `${domain}=${await made.rows(`${domain}.valid`, (n) => row(n + 100))}`);
    }
  });
  after(() => rm(made.folder, { recursive: true }));
  return made;
}
