// What an adapter adds to a layer's own experts, as numbers in host memory.

import type { LoraModule } from "./adapter.ts";

/**
 * router: to the logits by which experts are chosen, [experts] of [hidden]. The others: to the matrices of all experts, one
 * behind the other: A is [experts, rank, in], B [experts, out, rank]; an expert that the adapter leaves alone has zeros.
 */
export type ExpertLayer = Partial<Record<"router" | "gate_proj" | "up_proj" | "down_proj", LoraModule>>;
