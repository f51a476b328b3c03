// One request as the scheduler sees it: its tokens, how far they are computed, and what it holds on the device.

import type { Prefix } from "../memory/prefix_cache.ts";
import type { ResidentNeed } from "../memory/residency.ts";
import type { Job } from "./job.ts";

export interface FixedEntry {
  key: string;
  weight: number;
  /** The position from which it acts (activated LoRA). Absent: from the first. */
  from?: number;
  /** Its own embedding is that of all positions, wherever it begins to act. */
  embeds?: true;
}

/**
 * How a sequence's tokens get their adapters: a fixed weighted list, or a router's choice, which entries that every token takes
 * may stand beside. Resident keys, not names.
 */
export type RoutePlan =
  | { kind: "none" }
  | { kind: "fixed"; entries: readonly FixedEntry[] }
  | { kind: "router"; key: string; beside?: readonly FixedEntry[] };

/**
 * One sequence's share of a step: positions [start, start + count), all of the same entries. The device state in its slot begins anew where its
 * own computing does, at `sequence.adopted`.
 */
export interface Slice {
  sequence: Sequence;
  start: number;
  count: number;
  /** The last position of the slice is the last known token: a next token is sampled from it. */
  samples: boolean;
  /** Logits are needed for the last `logitRows` positions of the slice: 0, 1, or more for prompt log-probabilities. */
  logitRows: number;
}

export type SequenceState = "waiting" | "running" | "finished";

export interface SequenceInit {
  id: string;
  /** Ids of the prompt, at least one. */
  prompt: readonly number[];
  /** Most tokens to generate; 0 only computes the prompt (scoring). */
  maxTokens: number;
  routePlan: RoutePlan;
  /** Adapters and router that must be on the device while this runs. */
  residencyKeys: readonly ResidentNeed[];
  /** Every position of the prompt needs its logits. */
  promptLogprobs: boolean;
  /** Planned only once the host has seen every sampled id: what may follow depends on them. Default: false. */
  lockstep?: boolean;
  /** Who asks: tenants take turns. Default: nobody in particular. */
  tenant?: string;
  /** How to sample its tokens and what to report of them: for the runner, the scheduler does not look into it. */
  job: Job;
}

/** `slot` of a sequence that is not running. */
export const NO_SLOT = -1;

/** Its mutable fields are written by the scheduler alone. */
export class Sequence {
  readonly id: string;
  readonly promptLength: number;
  readonly maxTokens: number;
  readonly routePlan: RoutePlan;
  readonly residencyKeys: readonly ResidentNeed[];
  readonly promptLogprobs: boolean;
  readonly lockstep: boolean;
  readonly job: Job;
  readonly tenant: string;

  /** Ids the host knows: the prompt, then what was generated. */
  readonly tokens: number[];
  state: SequenceState = "waiting";
  /** Place in the order of arrival, or undefined before it was added. A preempted sequence keeps its place. */
  arrival: number | undefined;
  /** Its turn among those of its tenant that wait, or undefined before it was added. */
  turn: number | undefined;
  /** When it was added, by the clock of the line. */
  queued: number | undefined;
  /** How often one behind it was admitted before this one. */
  skips = 0;

  /** Positions whose KV exists (or will, once the submitted steps ran). */
  computed = 0;
  /** The row of rotations that its first position is turned by: another once it is longer than some (LongRoPE). */
  firstTurn = 0;
  /** KV pages, in the order of positions. */
  readonly pages: number[] = [];
  /** Positions found in the prefix cache at its last admission: where its own computing began. */
  adopted = 0;
  /** The same at its first admission, which is what its client is told. */
  cached: number | undefined;
  /** When its first positions were submitted, by performance.now(). */
  started: number | undefined;
  /** How many of its leading pages are in the prefix cache, and the prefix they hold. */
  published: { pages: number; prefix: Prefix } | undefined;
  /** Index of its per-sequence device state (last sampled id, belief, penalty counts), or NO_SLOT. */
  slot = NO_SLOT;
  /** Not planned for now: what may follow its last token is not known yet. */
  held = false;
  /** Tokens sampled on the device whose ids the host has not seen yet. They follow `tokens`. */
  pendingTokens = 0;
  /** Positions of the prompt whose logits were computed; recomputation after preemption does not repeat them. */
  scored = 0;

  constructor(init: SequenceInit) {
    this.id = init.id;
    this.tokens = [...init.prompt];
    this.promptLength = init.prompt.length;
    this.maxTokens = init.maxTokens;
    this.routePlan = init.routePlan;
    this.residencyKeys = init.residencyKeys;
    this.promptLogprobs = init.promptLogprobs;
    this.lockstep = init.lockstep ?? false;
    this.job = init.job;
    this.tenant = init.tenant ?? "";
  }

  /** Tokens in all: those the host knows and those only the device knows. */
  get length(): number {
    return this.tokens.length + this.pendingTokens;
  }

  /** Positions whose KV is ever needed: nothing is computed from the last token. */
  get lastPosition(): number {
    return this.promptLength + Math.max(this.maxTokens, 1) - 1;
  }

  /** Positions that could be computed now; 0 when the sequence has all its tokens. */
  get remaining(): number {
    return Math.min(this.length, this.lastPosition) - this.computed;
  }

  /** How many of them have the same entries as the first. */
  get alike(): number {
    if (this.routePlan.kind !== "fixed") return this.remaining;
    const ahead = this.routePlan.entries.map(({ from = 0 }) => from - this.computed).filter((count) => count > 0);
    return Math.min(this.remaining, ...ahead);
  }

  /** The next `count` positions as a share of a step. */
  slice(count: number): Slice {
    const start = this.computed;
    const end = start + count;
    const samples = end === this.length && this.maxTokens > 0;
    const scoring = this.promptLogprobs ? Math.min(end, this.promptLength) - Math.max(start, this.scored) : 0;
    return { sequence: this, start, count, samples, logitRows: Math.max(scoring, samples ? 1 : 0) };
  }
}
