// Turns a step plan into the flat arrays kernels read, and says the step's shape.

import type { TokenBias } from "../../proto/api.ts";
import { IN_PROMPT, NO_BIAS, NO_MASK, SAMPLE } from "../../shaders/sampling/sample.ts";
import { ENTRY, LOGIT_ROW, NO_EXPERT, ON_DEVICE, SEQUENCE, STEP, type StepShape, TOKEN } from "../../shaders/step.ts";
import { type WordBuffer, wordBuffer } from "../../shaders/struct.ts";
import { PAGE_TOKENS } from "../memory/device_pool.ts";
import type { Capacity } from "../model/capacity.ts";
import type { InputLayout, Region } from "../model/inputs.ts";
import { countsTokens } from "../sampling/sampling.ts";
import type { Sequence, Slice } from "../scheduler/sequence.ts";
import type { StepPlan } from "../scheduler/step.ts";

/** What a sequence's route comes to on the device. */
export interface PlacedRoute {
  /** Address of its router, 0: `entries` are all that a token has. */
  router: number;
  /** What every token takes, behind what a router chose. */
  entries: readonly { address: number; weight: number }[];
  /** Index of the first of `entries` in the trace: how many experts the router has. Default: 0. */
  firstExpert?: number;
  /** Most entries a token of it can have. */
  mostEntries: number;
  /** Adapters its tokens can meet. */
  adapters: number;
  maxRank4: number;
  /** Some of them have cores between A and B; default: none. */
  cores?: boolean;
  /** Some of them add to the model's own experts; default: none. */
  experts?: boolean;
  gateWidth: number;
}

/** One row of logits: the sequence it belongs to and the position it predicts (of the token sampled or scored). */
export interface LogitRow {
  slice: Slice;
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

/** Fills a fresh batch. `route` places the adapters of each slice; `staging` is as long as the layout. */
export function buildBatch(
  plan: StepPlan,
  layout: InputLayout,
  capacity: Capacity,
  route: (slice: Slice) => PlacedRoute,
  staging: ArrayBuffer,
): Batch {
  const target = wordBuffer(staging);
  const wordOf = (region: Region) => layout.offsets[region] / 4;
  const shape = {
    tokens: 0,
    sequences: 0,
    rows: 0,
    entries: 0,
    adapters: 0,
    maxRank4: 0,
    cores: false,
    experts: false,
    routed: false,
    gateWidth: 0,
  };
  const rows: LogitRow[] = [];
  const masks: Uint32Array<ArrayBuffer>[] = [];
  let blocks = 0;
  for (const slice of plan.slices) {
    const { sequence, start, count } = slice;
    const placed = route(slice);
    const first = shape.tokens;
    const fixed = shape.sequences * capacity.entries;
    const described = { first, count, start, blocks, slot: sequence.slot, router: placed.router, fixed };
    SEQUENCE.write(target, wordOf("sequences") + shape.sequences * SEQUENCE.words, described);
    writeEntries(target, wordOf("fixed") + fixed * ENTRY.words, placed, capacity.entries);
    for (let i = 0; i < count; i++) {
      const position = start + i;
      const id = sequence.tokens[position] ?? ON_DEVICE;
      const page = sequence.pages[Math.floor(position / PAGE_TOKENS)];
      const cell = page * PAGE_TOKENS + (position % PAGE_TOKENS);
      const turn = sequence.firstTurn + position;
      const token = { id, position, sequence: shape.sequences, cell, turn };
      TOKEN.write(target, wordOf("tokens") + (first + i) * TOKEN.words, token);
    }
    const pages = Math.ceil((start + count) / PAGE_TOKENS);
    target.words.set(sequence.pages.slice(0, pages), wordOf("blocks") + blocks);
    blocks += pages;
    for (let n = slice.logitRows; n > 0; n--) {
      const position = start + count - n + 1;
      const given = position < sequence.promptLength ? sequence.tokens[position] : undefined;
      const row = { slice, position, given };
      const at = wordOf("logitRows") + rows.length * LOGIT_ROW.words;
      writeRow(target, at, row, first + count - n, masks, capacity);
      rows.push(row);
    }
    shape.tokens += count;
    shape.sequences++;
    shape.entries = Math.max(shape.entries, placed.mostEntries);
    shape.adapters += placed.adapters;
    shape.maxRank4 = Math.max(shape.maxRank4, placed.maxRank4);
    shape.cores ||= placed.cores ?? false;
    shape.experts ||= placed.experts ?? false;
    shape.routed ||= placed.router !== 0;
    shape.gateWidth = Math.max(shape.gateWidth, placed.gateWidth);
  }
  shape.rows = rows.length;
  STEP.write(target, wordOf("step"), shape);
  return { shape, rows, masks, words: target.words.subarray(0, wordOf("blocks") + blocks) };
}

/** A list of at most `most` entries; a shorter one is ended by a mark. */
export function writeEntries(
  target: WordBuffer,
  at: number,
  { entries, firstExpert = 0 }: Pick<PlacedRoute, "entries" | "firstExpert">,
  most: number,
): void {
  for (const [j, { address, weight }] of entries.entries()) {
    ENTRY.write(target, at + j * ENTRY.words, { address, gate: weight, expert: firstExpert + j });
  }
  if (entries.length < most) ENTRY.write(target, at + entries.length * ENTRY.words, { expert: NO_EXPERT });
}

function writeRow(
  target: WordBuffer,
  at: number,
  { slice, position, given }: LogitRow,
  token: number,
  masks: Uint32Array<ArrayBuffer>[],
  capacity: Capacity,
): void {
  const { job, slot } = slice.sequence;
  const { sampling } = job;
  const alternatives = given === undefined ? job.logprobs : job.promptLogprobs;
  const allowed = given === undefined ? job.allowed?.() : undefined;
  LOGIT_ROW.write(target, at, {
    token,
    slot,
    given: given ?? SAMPLE,
    position,
    temperature: sampling.temperature,
    top_k: sampling.topK,
    top_p: sampling.topP,
    min_p: sampling.minP,
    repetition: sampling.repetitionPenalty,
    presence: sampling.presencePenalty,
    frequency: sampling.frequencyPenalty,
    seed: sampling.seed,
    report: alternatives === undefined ? 0 : 1 + alternatives,
    mask: allowed === undefined ? NO_MASK : masks.push(allowed) - 1,
    counted: countsTokens(sampling) ? 1 : 0,
    bias: job.biases === undefined ? NO_BIAS : biasRow(slot, capacity.sequences),
    ids: job.vocabulary ?? 0,
  });
}

/** The row of `counts` that holds the biases of the sequence in `slot`: they lie behind the counts of all. */
export function biasRow(slot: number, sequences: number): number {
  return sequences + slot;
}

/** A sequence's row of biases before its first step; `room`: ids that it has room for. */
export function tokenBiases(biases: readonly TokenBias[], room: number): Float32Array<ArrayBuffer> {
  const row = new Float32Array(room);
  for (const { id, bias } of biases) row[id]! += bias;
  return row;
}

/** A sequence's row of `counts`, with room for as many ids, before its first step: occurrences in the output so far, and which ids the prompt has. */
export function countTokens({ tokens, promptLength }: Sequence, room: number): Uint32Array<ArrayBuffer> {
  const counts = new Uint32Array(room);
  for (let i = promptLength; i < tokens.length; i++) counts[tokens[i]!]!++;
  for (let i = 0; i < promptLength; i++) counts[tokens[i]!]! |= IN_PROMPT;
  return counts;
}
