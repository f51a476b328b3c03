// What the runner knows of a request: how to sample its tokens and what to report of them.

import type { TokenBias } from "../../proto/api.ts";
import type { Sampling } from "../sampling/sampling.ts";

export interface Job {
  sampling: Sampling;
  /** Ids that its logits are of, from 0 up; absent: as many as a row of logits has room for. */
  vocabulary?: number;
  /** Added to the logits of these tokens before all else; absent: nothing is. */
  biases?: readonly TokenBias[];
  /** Alternatives to report with each generated token; undefined: no log-probabilities. */
  logprobs: number | undefined;
  /** The same for the prompt's tokens. */
  promptLogprobs: number | undefined;
  /** Report experts and gates of each generated token. */
  trace: boolean;
  /** Tokens allowed next, one bit each (bit i of word w: id 32·w + i); undefined: all. Read when a step is built. */
  allowed: (() => Uint32Array<ArrayBuffer> | undefined) | undefined;
}
