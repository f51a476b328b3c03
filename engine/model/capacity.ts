// The most of everything a step can have: what scratch buffers and kernels are sized by.

/** Fixed when the engine starts. */
export interface Capacity {
  tokens: number;
  sequences: number;
  logitRows: number;
  /** Ids that a row of logits has room for: the base's, and those that adapters may add. */
  vocabulary: number;
  /** Page numbers, over all sequences of a step. */
  blocks: number;
  /** Pages of the pool. */
  pages: number;
  /** Adapter entries a token can have. */
  entries: number;
  /** Experts a mixture can have. */
  experts: number;
  /** Widest router gate, a multiple of 4. */
  gateWidth: number;
  /** ceil(highest rank / 4). */
  rank4: number;
  /** Token masks a step can carry. */
  masks: number;
}
