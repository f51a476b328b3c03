// What the study measured, as it lies in its file: a line for the adapters, and one for every set.

import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";

/** An adapter alone, on texts of its own task. Losses in nats a token of completions. */
export interface AdapterRecord {
  name: string;
  task: string;
  base: number;
  alone: number;
}

/** What weights alone say about a set. Means and extremes are over its pairs. */
export interface WeightMeasures {
  interference: number;
  weightedConflict: number;
  signConflict: number;
  /** The least of any pair: −1 where two undo each other. */
  cosine: number;
  inputAlignment: number;
  outputAlignment: number;
  /** What the strongest adds where the weakest reads, ÷ what that one does. */
  drowns: number;
  /** ‖larger‖ / ‖smaller‖. */
  normRatio: number;
}

export interface SetRecord {
  members: string[];
  measures: WeightMeasures;
  /** [member]: how much the others add where it reads, ÷ what it does. */
  drowned: number[];
  /** By way of merging, [member]: loss on texts of its task. */
  losses: Record<string, number[]>;
}

export interface Study {
  adapters: AdapterRecord[];
  sets: SetRecord[];
}

/** @param path .jsonl, or .jsonl.gz */
export async function readStudy(path: string): Promise<Study> {
  const bytes = await readFile(path);
  const text = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  const [first, ...lines] = text.trim().split("\n");
  return {
    adapters: (JSON.parse(first) as Pick<Study, "adapters">).adapters,
    sets: lines.map((line) => JSON.parse(line) as SetRecord),
  };
}
