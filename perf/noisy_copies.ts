// Many adapters out of few, for figures of compression: the few and copies of them. A copy has Gaussian noise on both factors,
// a tenth of their own root mean square, so that copies of one adapter are about as alike as trainings of it from other seeds.

import type { Adapter } from "../files/lora/adapter.ts";
import { Random } from "../training/random.ts";

const NOISE = 0.1;

export function withCopies(originals: readonly Adapter[], count: number): Adapter[] {
  return Array.from({ length: count }, (_, i) => {
    const original = originals[i % originals.length];
    return i < originals.length ? original : copyOf(original, i);
  });
}

/** With a name and a hash of its own, so that it is another adapter to whoever loads it. */
export function copyOf(adapter: Adapter, seed: number): Adapter {
  const random = new Random(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const noisy = (values: Float32Array) => {
    const size = NOISE * Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    return values.map((value) => value + size * normal());
  };
  const layers = adapter.layers.map((layer) =>
    Object.fromEntries(
      Object.entries(layer).map(([name, lora]) => [name, { ...lora, a: noisy(lora.a), b: noisy(lora.b) }]),
    ),
  );
  return { ...adapter, name: `${adapter.name}-${seed}`, hash: `${adapter.hash} ${seed}`, layers };
}
