// How far adapters that act at once agree in sign, layer by layer: of each pair from their signs, of a token's adapters from their
// pairs, weighted by the gates. Entries that are zero disagree with nothing (TIES, Yadav et al. 2023, elects signs in the same way).

import type { LoraModuleName } from "../../files/families/modules.ts";
import type { SignedModule, SignSketch } from "./sketch.ts";

/** Of two adapters, by layer: shares of the parameters that both extend. 0 and 0 where they share none. */
export interface PairSigns {
  /** Both non-zero with equal signs. */
  same: Float64Array;
  /** Both non-zero with opposite signs. */
  opposed: Float64Array;
}

export function pairSigns(x: SignSketch, y: SignSketch): PairSigns {
  const [same, opposed] = [new Float64Array(x.length), new Float64Array(x.length)];
  for (let layer = 0; layer < x.length; layer++) {
    let size = 0;
    for (const [name, mine] of Object.entries(x[layer]) as [LoraModuleName, SignedModule][]) {
      const other = y[layer][name];
      if (other === undefined) continue;
      const counts = countSigns(mine, other);
      same[layer] += (counts.same / mine.samples) * mine.size;
      opposed[layer] += (counts.opposed / mine.samples) * mine.size;
      size += mine.size;
    }
    if (size === 0) continue;
    same[layer] /= size;
    opposed[layer] /= size;
  }
  return { same, opposed };
}

function countSigns(x: SignedModule, y: SignedModule): { same: number; opposed: number } {
  let [same, opposed] = [0, 0];
  for (let i = 0; i < x.positive.length; i++) {
    same += ones((x.positive[i] & y.positive[i]) | (x.negative[i] & y.negative[i]));
    opposed += ones((x.positive[i] & y.negative[i]) | (x.negative[i] & y.positive[i]));
  }
  return { same, opposed };
}

/** Bits that are set in a word (Warren, Hacker's Delight, 5-1). */
function ones(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/**
 * The share of parameters on which adapters at these gates agree in one layer: Σ |gᵢ gⱼ| aᵢⱼ / Σ |gᵢ gⱼ| over pairs, where aᵢⱼ is
 * the share of parameters without opposite signs; a negative gate turns an adapter's signs around. Undefined where fewer than two
 * act.
 */
export function agreementOf(
  gates: readonly number[],
  pairOf: (i: number, j: number) => PairSigns,
  layer: number,
): number | undefined {
  let [agreed, all] = [0, 0];
  for (let i = 0; i < gates.length; i++) {
    for (let j = 0; j < i; j++) {
      const weight = gates[i] * gates[j];
      if (weight === 0) continue;
      const { same, opposed } = pairOf(i, j);
      agreed += Math.abs(weight) * (1 - (weight > 0 ? opposed : same)[layer]);
      all += Math.abs(weight);
    }
  }
  return all === 0 ? undefined : agreed / all;
}
