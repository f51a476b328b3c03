// Files of rows as texts to train on.

import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import type { MoloraError } from "../../proto/errors.ts";
import { renderRow } from "../../training/data/render.ts";
import { type TrainingText, trainingText } from "../../training/training_texts.ts";
import type { Output } from "../terminal/output.ts";
import { readRows } from "./data_file.ts";

export interface TextsOptions {
  /** Tokens a row is cut at. */
  length: number;
  raw: boolean;
  onBadRow: "skip" | "fail";
}

/** What is left out is said, the first few lines by name. @throws MoloraError `data_invalid` where bad rows fail */
export async function readTexts(
  paths: readonly string[],
  tokenizer: Tokenizer,
  { length, raw, onBadRow }: TextsOptions,
  output: Output,
): Promise<TrainingText[]> {
  const texts: TrainingText[] = [];
  let bad = 0;
  let empty = 0;
  const skip = (error: MoloraError) => {
    if (bad++ < 5) output.note(`left out: ${error.message}`);
  };
  for (const path of paths) {
    for await (const row of readRows(path, onBadRow === "skip" ? skip : undefined)) {
      const cut = trainingText(renderRow(tokenizer, row, { raw }), length);
      if (cut === undefined) empty++;
      else texts.push(cut);
    }
  }
  if (bad > 5) output.note(`left out: ${bad - 5} more lines that are no rows`);
  if (empty > 0) output.note(`left out: ${empty} rows whose first ${length} tokens hold nothing to learn`);
  return texts;
}
