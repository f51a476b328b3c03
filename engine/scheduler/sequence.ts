// One request as the scheduler sees it: its tokens, how far they are computed, and what it holds on the device.
// It knows nothing of text, of sampling (`request` passes through untouched) or of how its turn is chosen.

import type { Prefix } from "../memory/prefix_cache.ts";
import type { ResidentNeed } from "../memory/residency.ts";
import type { RoutePlan, Slice } from "./step.ts";

export type SequenceState = "waiting" | "running" | "finished";

export interface SequenceInit<R> {
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
  /** Whatever the runner and the sampler need to know; opaque here. */
  request: R;
}

/** `row` of a sequence that is not running. */
export const NO_ROW = -1;

/** Its mutable fields are written by the scheduler alone. */
export class Sequence<R = unknown> {
  readonly id: string;
  readonly promptLength: number;
  readonly maxTokens: number;
  readonly routePlan: RoutePlan;
  readonly residencyKeys: readonly ResidentNeed[];
  readonly promptLogprobs: boolean;
  readonly lockstep: boolean;
  readonly request: R;

  /** Ids the host knows: the prompt, then what was generated. */
  readonly tokens: number[];
  state: SequenceState = "waiting";
  /** Place in the order of arrival, or undefined before it was added. A preempted sequence keeps its place. */
  arrival: number | undefined;
  /** How often a later arrival was admitted before this one. */
  skips = 0;

  /** Positions whose KV exists (or will, once the submitted steps ran). */
  computed = 0;
  /** KV pages, in the order of positions. */
  readonly pages: number[] = [];
  /** Positions that were computed for others and found when this was admitted: where its own computing began. */
  adopted = 0;
  /** Of its pages, those that others can find, and the beginning they hold. */
  published: { pages: number; prefix: Prefix } | undefined;
  /** Index of its per-sequence device state (last sampled id, belief, penalty counts), or NO_ROW. */
  row = NO_ROW;
  /** Not planned for now: what may follow its last token is not known yet. */
  held = false;
  /** Tokens sampled on the device whose ids the host has not seen yet. They follow `tokens`. */
  pendingTokens = 0;
  /** Positions of the prompt whose logits were computed; recomputation after preemption does not repeat them. */
  scored = 0;

  constructor(init: SequenceInit<R>) {
    this.id = init.id;
    this.tokens = [...init.prompt];
    this.promptLength = init.prompt.length;
    this.maxTokens = init.maxTokens;
    this.routePlan = init.routePlan;
    this.residencyKeys = init.residencyKeys;
    this.promptLogprobs = init.promptLogprobs;
    this.lockstep = init.lockstep ?? false;
    this.request = init.request;
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

  /** The next `count` positions as a share of a step. */
  slice(count: number): Slice<Sequence<R>> {
    const start = this.computed;
    const end = start + count;
    const samples = end === this.length && this.maxTokens > 0;
    const scoring = this.promptLogprobs ? Math.min(end, this.promptLength) - Math.max(start, this.scored) : 0;
    return { sequence: this, start, count, samples, logitRows: Math.max(scoring, samples ? 1 : 0) };
  }
}
