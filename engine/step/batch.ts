// Turns a step plan into the flat arrays kernels read, and says the step's shape.
// It knows nothing of GPU objects: it fills one array of words.

import type { TokenBias } from "../../proto/api.ts";
import { IN_PROMPT, LOGIT_ROW_WORDS, NO_BIAS, NO_MASK, SAMPLE } from "../../shaders/sample.ts";
import { ENTRY_BYTES, NO_EXPERT, ON_DEVICE, SEQUENCE_BYTES, type StepShape, TOKEN_BYTES } from "../../shaders/step.ts";
import { PAGE_TOKENS } from "../memory/device_pool.ts";
import type { Capacity, InputLayout } from "../model/inputs.ts";
import { countsTokens } from "../sampling/sampling.ts";
import type { Job } from "../scheduler/job.ts";
import type { Sequence } from "../scheduler/sequence.ts";
import type { Slice, StepPlan } from "../scheduler/step.ts";

/** What a sequence's route comes to on the device. */
export interface PlacedRoute {
  /** Address of its router, 0: `entries` hold for every token. */
  router: number;
  entries: readonly { address: number; weight: number }[];
  /** Most entries a token of it can have. */
  mostEntries: number;
  /** Adapters its tokens can meet. */
  adapters: number;
  maxRank4: number;
  gateWidth: number;
}

/** One row of logits: whose, and what for. `position`: of the token that is picked or scored. */
export interface LogitRow {
  slice: Slice<Sequence<Job>>;
  position: number;
  /** The prompt's own token there, where it is scored instead of picked. */
  given: number | undefined;
}

export interface Batch {
  shape: StepShape;
  rows: LogitRow[];
  /** Words to upload, from the start of the layout. */
  words: Uint32Array<ArrayBuffer>;
  /** Token masks, by slot. */
  masks: Uint32Array<ArrayBuffer>[];
}

/** Fills a fresh batch. `route` places each sequence's adapters; `staging` is as long as the layout. */
export function buildBatch(
  plan: StepPlan<Sequence<Job>>,
  layout: InputLayout,
  capacity: Capacity,
  route: (sequence: Sequence<Job>) => PlacedRoute,
  staging: ArrayBuffer,
): Batch {
  const words = new Uint32Array(staging);
  const floats = new Float32Array(staging);
  const shape = { tokens: 0, sequences: 0, rows: 0, entries: 0, adapters: 0, maxRank4: 0, routed: false, gateWidth: 0 };
  const rows: LogitRow[] = [];
  const masks: Uint32Array<ArrayBuffer>[] = [];
  let blocks = 0;
  for (const slice of plan.slices) {
    const { sequence, start, count } = slice;
    const placed = route(sequence);
    const first = shape.tokens;
    const at = layout.offsets.sequences / 4 + (shape.sequences * SEQUENCE_BYTES) / 4;
    const fixed = shape.sequences * capacity.entries;
    words.set([first, count, start, blocks, sequence.row, placed.router, fixed, 0], at);
    writeEntries(words, floats, layout.offsets.fixed / 4 + (fixed * ENTRY_BYTES) / 4, placed.entries, capacity.entries);
    for (let i = 0; i < count; i++) {
      const position = start + i;
      const id = sequence.tokens[position] ?? ON_DEVICE;
      const page = sequence.pages[Math.floor(position / PAGE_TOKENS)]!;
      const cell = page * PAGE_TOKENS + (position % PAGE_TOKENS);
      words.set([id, position, shape.sequences, cell], layout.offsets.tokens / 4 + ((first + i) * TOKEN_BYTES) / 4);
    }
    const pages = Math.ceil((start + count) / PAGE_TOKENS);
    words.set(sequence.pages.slice(0, pages), layout.offsets.blocks / 4 + blocks);
    blocks += pages;
    for (let n = slice.logitRows; n > 0; n--) {
      const token = first + count - n;
      const position = start + count - n + 1;
      const given = position < sequence.promptLength ? sequence.tokens[position] : undefined;
      const row = { slice, position, given };
      const at = layout.offsets.logitRows / 4 + rows.length * LOGIT_ROW_WORDS;
      writeRow(words, floats, at, row, token, masks);
      if (sequence.request.biases !== undefined) words[at + 15] = biasRow(sequence.row, capacity.sequences);
      rows.push(row);
    }
    shape.tokens += count;
    shape.sequences++;
    shape.entries = Math.max(shape.entries, placed.mostEntries);
    shape.adapters += placed.adapters;
    shape.maxRank4 = Math.max(shape.maxRank4, placed.maxRank4);
    shape.routed ||= placed.router !== 0;
    shape.gateWidth = Math.max(shape.gateWidth, placed.gateWidth);
  }
  shape.rows = rows.length;
  words.set([shape.tokens, shape.sequences, shape.rows, shape.entries], layout.offsets.step / 4);
  return { shape, rows, masks, words: words.subarray(0, layout.offsets.blocks / 4 + blocks) };
}

function writeEntries(
  words: Uint32Array,
  floats: Float32Array,
  at: number,
  entries: PlacedRoute["entries"],
  capacity: number,
): void {
  for (const [j, { address, weight }] of entries.entries()) {
    words.set([address, 0, j, 0], at + 4 * j);
    floats[at + 4 * j + 1] = weight;
  }
  if (entries.length < capacity) words.set([0, 0, NO_EXPERT, 0], at + 4 * entries.length);
}

function writeRow(
  words: Uint32Array,
  floats: Float32Array,
  at: number,
  { slice, position, given }: LogitRow,
  token: number,
  masks: Uint32Array<ArrayBuffer>[],
): void {
  const { request: job, row } = slice.sequence;
  const { sampling } = job;
  const alternatives = given === undefined ? job.logprobs : job.promptLogprobs;
  const allowed = given === undefined ? job.allowed?.() : undefined;
  words.set([token, row, given ?? SAMPLE, position], at);
  floats.set([sampling.temperature], at + 4);
  words[at + 5] = sampling.topK;
  floats.set([sampling.topP, sampling.minP, sampling.repetitionPenalty], at + 6);
  floats.set([sampling.presencePenalty, sampling.frequencyPenalty], at + 9);
  words[at + 11] = sampling.seed;
  words[at + 12] = alternatives === undefined ? 0 : 1 + alternatives;
  words[at + 13] = allowed === undefined ? NO_MASK : masks.push(allowed) - 1;
  words[at + 14] = countsTokens(sampling) ? 1 : 0;
  words[at + 15] = NO_BIAS;
}

/** The row of `counts` that holds the biases of the sequence in `row`: they lie behind the counts of all. */
export function biasRow(row: number, sequences: number): number {
  return sequences + row;
}

/** A sequence's row of biases before its first step. */
export function tokenBiases(biases: readonly TokenBias[], vocabSize: number): Float32Array<ArrayBuffer> {
  const row = new Float32Array(vocabSize);
  for (const { id, bias } of biases) row[id]! += bias;
  return row;
}

/** A sequence's row of `counts` before its first step: occurrences in the output so far, and which ids the prompt has. */
export function countTokens({ tokens, promptLength }: Sequence<Job>, vocabSize: number): Uint32Array<ArrayBuffer> {
  const counts = new Uint32Array(vocabSize);
  for (let i = promptLength; i < tokens.length; i++) counts[tokens[i]!]!++;
  for (let i = 0; i < promptLength; i++) counts[tokens[i]!]! |= IN_PROMPT;
  return counts;
}
