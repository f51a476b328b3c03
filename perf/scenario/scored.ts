// What it took to score one call by all adapters.

export interface Scored {
  /** From the first asking to the last answer. */
  seconds: number;
  processorSeconds: number;
  residentMiB: number;
  /** From the first asking, one an adapter. */
  firstTokenMs: number[];
}
