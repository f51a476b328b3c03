// Rows of logits on the device for tests of sampling: what each row asks for, and what came back.
// It knows nothing of what is expected.

import type { Buffers } from "../../engine/gpu/buffers.ts";
import type { Gpu } from "../../engine/gpu/gpu.ts";
import { launch } from "../../engine/gpu/program.ts";
import {
  IN_PROMPT,
  LOGIT_ROW_WORDS,
  NO_BIAS,
  NO_MASK,
  RESULT_WORDS,
  SAMPLE,
  sample,
  sampleGrid,
} from "../../shaders/sample.ts";
import type { Seen } from "../reference/penalties.ts";
import { run, SENTINEL } from "./device.ts";
import { bitsOf, Output } from "./outputs.ts";

/** One row. Defaults: greedy, nothing truncated, no penalties, no log-probabilities. */
export interface CaseRow {
  logits: Float32Array<ArrayBuffer>;
  position?: number;
  seed?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetition?: number;
  presence?: number;
  frequency?: number;
  /** Token to score instead of picking one. */
  given?: number;
  /** Alternatives to report; undefined: no log-probabilities at all. */
  alternatives?: number;
  /** Ids that may be picked. */
  allowed?: ReadonlySet<number>;
  seen?: ReadonlyMap<number, Seen>;
  /** What is added to logits, by id. */
  biases?: ReadonlyMap<number, number>;
}

export interface CaseResult {
  id: number;
  logprob: number;
  top: { id: number; logprob: number }[];
  /** What the sequence's row of `sampled` holds afterwards; undefined: it was not written. */
  sampled: number | undefined;
  /** Counts of the sequence afterwards. */
  counts: Uint32Array;
}

/** Runs all rows in one launch; row r's device state lies in row `states − 1 − r`. */
export async function sampleRows(
  gpu: Gpu,
  buffers: Buffers,
  vocab: number,
  rows: readonly CaseRow[],
): Promise<CaseResult[]> {
  const R = rows.length;
  const logits = new Float32Array(R * vocab);
  const words = new Uint32Array(R * LOGIT_ROW_WORDS).fill(SENTINEL);
  const floats = new Float32Array(words.buffer);
  // Counts of all states, then their biases.
  const counts = new Uint32Array(2 * R * vocab);
  const biases = new Float32Array(counts.buffer, 4 * R * vocab);
  const maskWords = Math.ceil(vocab / 32);
  const masks: Uint32Array[] = [];
  for (const [r, row] of rows.entries()) {
    const state = R - 1 - r;
    logits.set(row.logits, r * vocab);
    const at = r * LOGIT_ROW_WORDS;
    words.set([0, state, row.given ?? SAMPLE, row.position ?? 0], at);
    floats[at + 4] = row.temperature ?? 0;
    words[at + 5] = row.topK ?? 0;
    floats.set([row.topP ?? 1, row.minP ?? 0, row.repetition ?? 1, row.presence ?? 0, row.frequency ?? 0], at + 6);
    words[at + 11] = row.seed ?? 0;
    words[at + 12] = row.alternatives === undefined ? 0 : 1 + row.alternatives;
    words[at + 13] = row.allowed === undefined ? NO_MASK : masks.push(maskOf(row.allowed, maskWords)) - 1;
    words[at + 14] = row.seen === undefined ? 0 : 1;
    words[at + 15] = row.biases === undefined ? NO_BIAS : R + state;
    for (const [id, bias] of row.biases ?? []) biases[state * vocab + id] = bias;
    for (const [id, { inPrompt, times }] of row.seen ?? []) {
      counts[state * vocab + id] = (times | (inPrompt ? IN_PROMPT : 0)) >>> 0;
    }
  }
  const allMasks = new Uint32Array(Math.max(1, masks.length) * maskWords);
  for (const [slot, mask] of masks.entries()) allMasks.set(mask, slot * maskWords);
  const countsOut = new Output(gpu, buffers, counts.length, new Float32Array(counts.buffer));
  const sampled = new Output(gpu, buffers, R);
  const results = new Output(gpu, buffers, R * RESULT_WORDS);
  const { kernel, constants } = sample({ vocab });
  const views = {
    rows: buffers.from("rows", words),
    logits: buffers.from("logits", logits),
    counts: countsOut.view,
    masks: buffers.from("masks", allMasks),
    sampled: sampled.view,
    results: results.view,
  };
  const shape = { tokens: R, sequences: R, rows: R, entries: 0, maxRank4: 0, adapters: 0, routed: false, gateWidth: 0 };
  run(gpu, [launch(gpu, await gpu.pipelines.get(kernel, constants), views, sampleGrid)], shape);
  const out = await results.read();
  const outWords = bitsOf(out);
  const last = await sampled.readWords();
  const after = await countsOut.readWords();
  return rows.map(({ alternatives = 0 }, r) => {
    const pair = (i: number) => ({
      id: outWords[r * RESULT_WORDS + 2 * i],
      logprob: out[r * RESULT_WORDS + 2 * i + 1],
    });
    const state = R - 1 - r;
    return {
      ...pair(0),
      top: Array.from({ length: alternatives }, (_, i) => pair(1 + i)),
      sampled: last[state] === SENTINEL ? undefined : last[state],
      counts: after.slice(state * vocab, (state + 1) * vocab),
    };
  });
}

function maskOf(allowed: ReadonlySet<number>, count: number): Uint32Array {
  const mask = new Uint32Array(count);
  for (const id of allowed) mask[id >>> 5] |= 1 << (id & 31);
  return mask;
}
