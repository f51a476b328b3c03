// What the engine's loop counts, for applications and benchmarks.
// It knows nothing of the loop.

export interface LoopCounters {
  steps: number;
  promptTokens: number;
  generatedTokens: number;
  /** Of the last step: launches encoded, milliseconds the host spent encoding. */
  launches: number;
  encodeMs: number;
}
