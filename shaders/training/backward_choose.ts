// Gradient of the gates for a router's logits: straight-through for unit gates, exact for soft ones. See
// backward_choose.wgsl. It knows nothing of what the experts are.

import { type Build, compose } from "../compose.ts";
import { type ChooseFacts, chooseConstants } from "./choose.ts";

const OWN = {
  step: "uniform",
  whole: "uniform",
  p: "read",
  gates: "read",
  d_gates: "read",
  load: "read",
  d_logits: "read_write",
} as const;

/** `balance`: weight of the load-balancing loss. Launched with tokenGrid. */
export function backwardChoose(facts: ChooseFacts & { balance: number }): Build {
  return compose("training/backward_choose", OWN, { ...chooseConstants(facts), BALANCE: facts.balance });
}
