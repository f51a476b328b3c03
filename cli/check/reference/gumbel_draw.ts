// Drawing from a distribution by Gumbel noise (Maddison et al. 2014) hashed from a seed, in float64.
// Probabilities in, a token id out.

/** PCG's output hash of 32 bits (Jarzynski & Olano 2020). */
export function pcg(value: number): number {
  const state = (Math.imul(value, 747796405) + 2891336453) >>> 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}

/** −log(−log(1 − v)) with v = (hash + ½) / 2³². */
export function gumbel(seed: number, position: number, token: number): number {
  const hash = pcg((token ^ pcg((position ^ pcg(seed)) >>> 0)) >>> 0);
  return -Math.log(-Math.log1p(-(hash + 0.5) / 2 ** 32));
}

/** The token that wins, and by how much. p: probabilities, 0 for tokens that cannot win. */
export function gumbelDraw(p: Float64Array, seed: number, position: number): { id: number; margin: number } {
  let best = { id: -1, value: -Infinity };
  let second = -Infinity;
  for (const [id, share] of p.entries()) {
    if (share === 0) continue;
    const value = Math.log(share) + gumbel(seed, position, id);
    if (value > best.value) {
      second = best.value;
      best = { id, value };
    } else second = Math.max(second, value);
  }
  return { id: best.id, margin: best.value - second };
}
