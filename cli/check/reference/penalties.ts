// Penalties on tokens already seen, in float64.

import type { Numbers } from "./linear.ts";

/** How a token was seen: in the prompt, and how often in the output. */
export interface Seen {
  inPrompt: boolean;
  times: number;
}

/**
 * Repetition (CTRL, Keskar et al. 2019): a seen token's logit is divided by it where positive, multiplied where not.
 * Then, of output alone, as OpenAI's API: l − frequency · times − presence · [times > 0].
 */
export function penalise(
  logits: Numbers,
  seen: ReadonlyMap<number, Seen>,
  rule: { repetition: number; presence: number; frequency: number },
): Float64Array {
  return Float64Array.from(logits, (logit, id) => {
    const { inPrompt, times } = seen.get(id) ?? { inPrompt: false, times: 0 };
    const repeated = logit > 0 ? logit / rule.repetition : logit * rule.repetition;
    const l = inPrompt || times > 0 ? repeated : logit;
    return l - rule.frequency * times - (times > 0 ? rule.presence : 0);
  });
}
