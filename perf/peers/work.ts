// The work that molora and its peers are compared on, and how a peer is driven: a process of its own that loads, says
// so, does one round for each line it is sent, and ends with its input. One JSON value a line on standard output.

import { createInterface } from "node:readline";

/** Tokens of the prompt that is read, and tokens that are then decoded one by one. */
export const READ = 256;
export const DECODED = 64;
/** Sequences side by side (or one after another, where a peer can't), each of an adapter of its own; tokens of each. */
export const TOGETHER = 8;
export const SHORT_PROMPT = 8;
export const TOGETHER_DECODED = 32;
/** Sequences side by side when memory is looked at. */
export const CROWD = 32;
/** The first id that no vocabulary gives to a special token, and as many ids as prompts draw from. */
const FIRST_ID = 20;
const IDS = 4000;

export interface Loaded {
  loadMs: number;
  residentMB: number;
}

/** Tokens a second. `together`: all that the eight generate, by the time from their start to the end of the last. */
export interface Round {
  prefill: number;
  decode: number;
  together: number;
}

/** Resident memory of a process in decimal megabytes. */
export const residentMB = () => process.memoryUsage.rss() / 1e6;

let drawn = 0;

/** Ids that share no beginning with an earlier prompt, so that no cache answers for them. */
export function promptOf(tokens: number): number[] {
  const salt = drawn++;
  return Array.from({ length: tokens }, (_, i) => FIRST_ID + ((i * 37 + salt * 101) % IDS));
}

/** Tokens a second of `tokens` in the milliseconds since `begun`. */
export const speed = (tokens: number, begun: number) => (1000 * tokens) / (performance.now() - begun);

/** Resident memory while, or right after, CROWD sequences ran. */
export interface Crowded {
  residentMB: number;
}

/** What a peer is asked for, a line each. */
export interface Work {
  round(): Promise<Round>;
  crowd(): Promise<void>;
}

/** Answers what is asked for, then ends the process. */
export async function serveWork(loaded: Loaded, work: Work): Promise<void> {
  console.log(JSON.stringify(loaded));
  for await (const asked of createInterface({ input: process.stdin })) {
    if (asked === "round") console.log(JSON.stringify(await work.round()));
    else {
      await work.crowd();
      console.log(JSON.stringify({ residentMB: residentMB() } satisfies Crowded));
    }
  }
  process.exit(0);
}
