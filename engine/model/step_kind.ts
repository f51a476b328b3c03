// Which launches a step needs: its LoRA form, whether anything is routed, and the class of its sizes.

import type { LoraForm } from "../../shaders/lora/lora_form.ts";
import type { StepShape } from "../../shaders/step.ts";

/** What a step needs of the forward pass. Steps of one kind share their program. */
export interface StepKind {
  lora: LoraForm;
  /** A router chooses for some token: every layer has its own table. */
  routed: boolean;
  /** Some adapter has cores between A and B. */
  cores: boolean;
  /** Some adapter adds to the model's own experts. */
  experts: boolean;
  /** Class of token counts that one tile of the linear kernel serves. */
  tokens: number;
  /** The same for rows of logits. */
  rows: number;
}

/** Below this many tokens, LoRA rows ride along with the linear layers; from here on, sorting by adapter pays on GPUs. */
const GATHER_TOKENS = 16;

/** `segments`: whether the device sorts many tokens' adapters (DeviceWishes). */
export function stepKind(
  shape: Pick<StepShape, "tokens" | "rows" | "entries" | "routed" | "cores" | "experts">,
  segments: boolean,
): StepKind {
  const many = segments && shape.tokens >= GATHER_TOKENS;
  const lora = shape.entries === 0 ? "none" : many ? "segmented" : "gather";
  return {
    lora,
    routed: shape.routed,
    cores: shape.cores ?? false,
    experts: shape.experts ?? false,
    tokens: tileClass(shape.tokens),
    rows: tileClass(shape.rows),
  };
}

/** What a server offers, and its device's DeviceWishes.segments. */
export interface Offered {
  adapters: boolean;
  routers: boolean;
  segments: boolean;
}

/** Kinds that the first requests of a server ask for: prompts and single or few tokens, with each way to adapters there is. */
export function usualKinds({ adapters, routers, segments }: Offered): StepKind[] {
  const ways = [
    { entries: 0, routed: false },
    ...(adapters ? [{ entries: 1, routed: false }] : []),
    ...(routers ? [{ entries: 1, routed: true }] : []),
  ];
  const sizes = [
    { tokens: GATHER_TOKENS, rows: 1 },
    { tokens: 1, rows: 1 },
    { tokens: 8, rows: 8 },
  ];
  return ways.flatMap((way) => sizes.map((size) => stepKind({ ...way, ...size }, segments)));
}

export function kindName({ lora, routed, cores, experts, tokens, rows }: StepKind): string {
  const more = `${cores ? " with cores" : ""}${experts ? " with experts" : ""}`;
  return `${lora}${more} ${routed ? "routed" : "fixed"} ${tokens} ${rows}`;
}

function tileClass(count: number): number {
  if (count <= 1) return 1;
  if (count <= 4) return 4;
  return count < GATHER_TOKENS ? 8 : 64;
}
