// Truncation of a next-token distribution in float64: top-k, then top-p of what is left, and min-p.

/** Probabilities [V] that sum to 1 in, the same with dropped tokens at 0 and the rest renormalised out. */
export type Distribution = Float64Array;

/** Token ids, likeliest first; ties: lower id. */
export function ranked(p: Distribution): number[] {
  return Array.from(p.keys()).sort((left, right) => p[right] - p[left] || left - right);
}

function keepOnly(p: Distribution, kept: readonly number[]): Distribution {
  const out = new Float64Array(p.length);
  const total = kept.reduce((sum, id) => sum + p[id], 0);
  for (const id of kept) out[id] = p[id] / total;
  return out;
}

/** Keeps the k likeliest; 0 keeps all. */
export function topK(p: Distribution, k: number): Distribution {
  return k === 0 ? p : keepOnly(p, ranked(p).slice(0, k));
}

/** Keeps the smallest set of likeliest tokens whose probability reaches `mass`, at least one; 1 keeps all. */
export function topP(p: Distribution, mass: number): Distribution {
  if (mass >= 1) return p;
  const kept: number[] = [];
  let sum = 0;
  for (const id of ranked(p)) {
    kept.push(id);
    sum += p[id];
    if (sum >= mass) break;
  }
  return keepOnly(p, kept);
}

/** Drops tokens less likely than `share` × the likeliest; 0 keeps all. */
export function minP(p: Distribution, share: number): Distribution {
  const floor = share * p.reduce((best, value) => Math.max(best, value), 0);
  return keepOnly(
    p,
    ranked(p).filter((id) => p[id] >= floor && p[id] > 0),
  );
}

/** topK, then topP of what is left, then minP. */
export function sampleFilters(p: Distribution, rule: { topK: number; topP: number; minP: number }): Distribution {
  return minP(topP(topK(p, rule.topK), rule.topP), rule.minP);
}
