// What every kernel of a step may know about the batch: the shape of a step, which sizes every launch, and the structs of
// its arrays. engine/step/batch.ts fills them.

import { alignUp, VIEW_ALIGNMENT } from "./alignment.ts";
import { struct } from "./struct.ts";

/** Counts of the step at hand. All that the extent of a launch may depend on. */
export interface StepShape {
  /** T: tokens. */
  tokens: number;
  /** S: sequences. */
  sequences: number;
  /** R: rows of logits. */
  rows: number;
  /** Most adapter entries any token has; 0: no LoRA kernel runs. */
  entries: number;
  /** Largest ceil(rank / 4) among the adapters of this step. */
  maxRank4: number;
  /** Some of its adapters have cores between A and B; default: none. */
  cores?: boolean;
  /** Some of its adapters add to the matrices of the model's own experts, or to their router; default: none. */
  experts?: boolean;
  /** Adapters that tokens of this step can meet. */
  adapters: number;
  /** A router chooses for some token. */
  routed: boolean;
  /** Widest gate among the routers of this step. */
  gateWidth: number;
}

export const STEP = struct("Step", {
  /** T */
  tokens: "u32",
  /** S */
  sequences: "u32",
  /** R */
  rows: "u32",
  /** Most adapter entries any token of this step has, at most ENTRIES. */
  entries: "u32",
});

export const TOKEN = struct("Token", {
  /** Or ON_DEVICE: the id sampled last for its sequence, which the host has not seen yet. */
  id: "u32",
  position: "u32",
  /** Index among the step's sequences. */
  sequence: "u32",
  /** Where its K and V go: page · 16 + offset. */
  cell: "u32",
  /** The row of rotations that it is turned by. */
  turn: "u32",
});

export const SEQUENCE = struct("Sequence", {
  /** Its first token in this step. */
  first: "u32",
  /** Its tokens in this step. */
  count: "u32",
  /** Position of the first of them. */
  start: "u32",
  /** Where its page numbers begin in `blocks`. */
  blocks: "u32",
  /** Slot of its device state: last id, belief, counts. */
  slot: "u32",
  /** Address of its router in the pool (vec4 units); 0: its entries come from `fixed`. */
  router: "u32",
  /** Where its ENTRIES fixed entries begin in `fixed`. */
  fixed: "u32",
});

/** One adapter entry of a token. */
export const ENTRY = struct("Entry", {
  /** Where the adapter lies in the layer's pool (vec4 units); 0: adds nothing. */
  address: "u32",
  gate: "f32",
  /** Its expert's index, for the trace; NO_EXPERT: the list ends here. */
  expert: "u32",
});

/** One row of logits, and what is wanted of it. */
export const LOGIT_ROW = struct("LogitRow", {
  /** The token it follows. */
  token: "u32",
  /** Slot of its sequence's device state. */
  slot: "u32",
  /** Token to score, or SAMPLE. */
  given: "u32",
  /** Of the token that is picked. */
  position: "u32",
  /** 0: greedy. */
  temperature: "f32",
  /** 0: all. */
  top_k: "u32",
  top_p: "f32",
  min_p: "f32",
  repetition: "f32",
  presence: "f32",
  frequency: "f32",
  seed: "u32",
  /** 0: no log-probabilities; 1 + K: the token's, and those of the K likeliest. */
  report: "u32",
  /** Slot of its mask, or NO_MASK. */
  mask: "u32",
  /** 1: keeps counts, because a penalty is set. */
  counted: "u32",
  /** Row of counts that holds its biases, or NO_BIAS. */
  bias: "u32",
  /** Ids that it has logits of, from 0 up: an adapter's vocabulary may be another than the base's. 0: the whole row. */
  ids: "u32",
});

/** WGSL of all of them, ahead of every kernel. */
export const STRUCTS = [STEP, TOKEN, SEQUENCE, ENTRY, LOGIT_ROW].map(({ wgsl }) => wgsl).join("");

/** Entries from one layer's table to the next, so that each begins where a view may. */
export function tableStride(tokens: number, entries: number): number {
  return alignUp(tokens * entries, VIEW_ALIGNMENT / ENTRY.bytes);
}

/** `Token.id` of a token whose id only the device knows yet. */
export const ON_DEVICE = 0xffffffff;
/** `Entry.expert` that ends a token's list. */
export const NO_EXPERT = 0xffffffff;
