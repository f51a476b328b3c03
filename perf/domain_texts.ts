// The first validation rows of nano's four domains, as ids: what figures of losses are taken on.

import { readRows } from "../cli/training/data_file.ts";
import { loadTokenizer } from "../engine/text/tokenizer.ts";
import type { ModelFiles } from "../files/model_files/model_files.ts";
import { renderRow } from "../training/data/render.ts";

export const DOMAINS = ["math", "sql", "medical", "code"];
/** Tokens that a row is cut at. */
export const LENGTH = 128;
/** Shorter rows say too little. */
const SHORTEST = 8;

/** [domain][row] → ids. `data`: a folder with one of each domain. */
export async function domainTexts({ tokenizerFiles }: ModelFiles, data: string, rows: number): Promise<number[][][]> {
  const tokenizer = loadTokenizer(tokenizerFiles);
  return Promise.all(
    DOMAINS.map(async (domain) => {
      const found: number[][] = [];
      for await (const row of readRows(`${data}/${domain}/valid.jsonl.gz`)) {
        const ids = renderRow(tokenizer, row).ids.slice(0, LENGTH);
        if (ids.length > SHORTEST) found.push(ids);
        if (found.length === rows) break;
      }
      return found;
    }),
  );
}
