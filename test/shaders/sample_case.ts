// Rows of logits on the device for tests of sampling: what each row asks for, and what came back.

import type { Seen } from "../../cli/check/reference/penalties.ts";
import { allocateFrom, type Device } from "../../engine/device/device.ts";
import { launch } from "../../shaders/kernel.ts";
import { IN_PROMPT, NO_BIAS, NO_MASK, RESULT_WORDS, SAMPLE, sample } from "../../shaders/sampling/sample.ts";
import { LOGIT_ROW } from "../../shaders/step.ts";
import { wordBuffer } from "../../shaders/struct.ts";
import { run, SENTINEL } from "./device.ts";
import { bitsOf, Output } from "./outputs.ts";
import { stepShape } from "./step_case.ts";

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
  /** Ids that count, from 0 up. Default: all. */
  ids?: number;
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
export async function sampleRows(device: Device, vocab: number, rows: readonly CaseRow[]): Promise<CaseResult[]> {
  const R = rows.length;
  const logits = new Float32Array(R * vocab);
  const target = wordBuffer(R * LOGIT_ROW.bytes);
  // Counts of all states, then their biases.
  const counts = new Uint32Array(2 * R * vocab);
  const biases = new Float32Array(counts.buffer, 4 * R * vocab);
  const maskWords = Math.ceil(vocab / 32);
  const masks: Uint32Array[] = [];
  for (const [r, row] of rows.entries()) {
    const state = R - 1 - r;
    logits.set(row.logits, r * vocab);
    LOGIT_ROW.write(target, r * LOGIT_ROW.words, {
      slot: state,
      given: row.given ?? SAMPLE,
      position: row.position ?? 0,
      temperature: row.temperature ?? 0,
      top_k: row.topK ?? 0,
      top_p: row.topP ?? 1,
      min_p: row.minP ?? 0,
      repetition: row.repetition ?? 1,
      presence: row.presence ?? 0,
      frequency: row.frequency ?? 0,
      seed: row.seed ?? 0,
      report: row.alternatives === undefined ? 0 : 1 + row.alternatives,
      mask: row.allowed === undefined ? NO_MASK : masks.push(maskOf(row.allowed, maskWords)) - 1,
      counted: row.seen === undefined ? 0 : 1,
      bias: row.biases === undefined ? NO_BIAS : R + state,
      ids: row.ids ?? 0,
    });
    for (const [id, bias] of row.biases ?? []) biases[state * vocab + id] = bias;
    for (const [id, { inPrompt, times }] of row.seen ?? []) {
      counts[state * vocab + id] = (times | (inPrompt ? IN_PROMPT : 0)) >>> 0;
    }
  }
  const allMasks = new Uint32Array(Math.max(1, masks.length) * maskWords);
  for (const [slot, mask] of masks.entries()) allMasks.set(mask, slot * maskWords);
  const countsOut = new Output(device, counts.length, new Float32Array(counts.buffer));
  const sampled = new Output(device, R);
  const results = new Output(device, R * RESULT_WORDS);
  const views = {
    rows: allocateFrom(device, "rows", target.words),
    logits: allocateFrom(device, "logits", logits),
    counts: countsOut.view,
    masks: allocateFrom(device, "masks", allMasks),
    sampled: sampled.view,
    results: results.view,
  };
  await run(device, [launch(sample, { vocab }, views)], stepShape({ tokens: R, sequences: R, rows: R }));
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
