// What comes back from the device for each row of logits, read out of the bytes.

import type { ModelConfig } from "../../files/families/config.ts";
import type { Experts } from "../../files/families/facts.ts";
import type { TokenLogprob } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { OVERFLOW, RESULT_WORDS } from "../../shaders/sampling/sample.ts";
import { NO_EXPERT } from "../../shaders/step.ts";
import type { LogitRow } from "./batch.ts";

/** Per layer, the experts (indices) and gates of the token whose logits the row is. */
export type RowTrace = { experts: number[]; gates: number[] }[];

/** What was read back, as the kernels wrote it. */
export interface ReadBack {
  results: ArrayBuffer;
  /** Where the step was routed: the entries of adapters. */
  trace?: ArrayBuffer;
  /** Where the model has experts of its own. */
  baseExperts?: ArrayBuffer;
}

export interface RowResult {
  row: LogitRow;
  /** The token sampled, or the given one. */
  id: number;
  /** Why there is neither: what else is said here means nothing then. */
  failure: MoloraError | undefined;
  /** Where log-probabilities were asked for. */
  logprob: TokenLogprob | undefined;
  /** Where the step was routed. */
  trace: RowTrace | undefined;
  /** Where the model has experts of its own: empty for layers with a plain MLP. */
  baseExperts: RowTrace | undefined;
}

export function readRows(
  rows: readonly LogitRow[],
  { results, trace, baseExperts }: ReadBack,
  { numLayers: layers, experts }: ModelConfig,
  entries: number,
): RowResult[] {
  const words = new Uint32Array(results);
  const floats = new Float32Array(results);
  return rows.map((row, r) => {
    const { job } = row.slice.sequence;
    const alternatives = row.given === undefined ? job.logprobs : job.promptLogprobs;
    const at = r * RESULT_WORDS;
    const pair = (i: number) => ({ id: words[at + 2 * i]!, logprob: floats[at + 2 * i + 1]! });
    const logprob =
      alternatives === undefined
        ? undefined
        : { ...pair(0), top: Array.from({ length: alternatives }, (_, i) => pair(1 + i)) };
    const id = words[at]!;
    const failure = id === OVERFLOW ? overflow(row.position) : undefined;
    return {
      row,
      id,
      failure,
      logprob,
      trace: trace && readTrace(trace, r, layers, entries),
      baseExperts: baseExperts && experts && withoutDense(readTrace(baseExperts, r, layers, experts.used), experts),
    };
  });
}

function withoutDense(trace: RowTrace, { dense }: Experts): RowTrace {
  return trace.map((layer, i) => (dense.includes(i) ? { experts: [], gates: [] } : layer));
}

function overflow(position: number): MoloraError {
  return new MoloraError("numeric_overflow", `the logits of the token at position ${position} are not finite numbers`, {
    remedy: "Its adapters' weights or scales may be too large for this model; other requests are not affected.",
    details: { position },
  });
}

function readTrace(trace: ArrayBuffer, row: number, layers: number, entries: number): RowTrace {
  const words = new Uint32Array(trace);
  const floats = new Float32Array(trace);
  return Array.from({ length: layers }, (_, layer) => {
    const experts: number[] = [];
    const gates: number[] = [];
    for (let j = 0; j < entries; j++) {
      const at = ((row * layers + layer) * entries + j) * 2;
      if (words[at] === NO_EXPERT) break;
      experts.push(words[at]!);
      gates.push(floats[at + 1]!);
    }
    return { experts, gates };
  });
}
