// How pairs of loaded adapters agree in sign: worked out beside the steps, once for each pair of generations.

import { type PairSigns, pairSigns } from "../../composition/agreement/agreement.ts";
import { type SignSketch, signSketch } from "../../composition/agreement/sketch.ts";
import { sliced } from "../../files/slices.ts";
import { layerFactors, type PackedAdapter } from "./pack_adapter.ts";

/** Pairs that are remembered: two megabytes or so. */
const MOST_PAIRS = 4096;

export class SignPairs {
  readonly #adapterOf: (key: string) => PackedAdapter | undefined;
  readonly #sketches = new Map<string, Promise<SignSketch>>();
  /** Undefined: being worked out. */
  readonly #pairs = new Map<string, PairSigns | undefined>();

  /** `adapterOf`: of a key; undefined where it is loaded no more. */
  constructor(adapterOf: (key: string) => PackedAdapter | undefined) {
    this.#adapterOf = adapterOf;
  }

  /** Of two keys in either order; undefined as long as it is being worked out, which asking for it begins. */
  get(x: string, y: string): PairSigns | undefined {
    const name = x < y ? `${x} ${y}` : `${y} ${x}`;
    if (!this.#pairs.has(name)) {
      this.#pairs.set(name, undefined);
      void this.#workOut(name, x, y);
      for (const oldest of this.#pairs.keys()) {
        if (this.#pairs.size <= MOST_PAIRS) break;
        this.#pairs.delete(oldest);
      }
    }
    return this.#pairs.get(name);
  }

  /** Nobody can reach the generation any more. */
  forget(key: string): void {
    this.#sketches.delete(key);
    for (const name of this.#pairs.keys()) if (name.split(" ").includes(key)) this.#pairs.delete(name);
  }

  async #workOut(name: string, x: string, y: string): Promise<void> {
    const [one, two] = await Promise.all([this.#sketch(x), this.#sketch(y)]);
    // Whoever asks again, should it be loaded again, begins anew.
    if (one === undefined || two === undefined) this.#pairs.delete(name);
    else if (this.#pairs.has(name)) this.#pairs.set(name, pairSigns(one, two));
  }

  async #sketch(key: string): Promise<SignSketch | undefined> {
    const known = this.#sketches.get(key);
    if (known !== undefined) return known;
    const adapter = this.#adapterOf(key);
    if (adapter === undefined) return undefined;
    const sketch = sliced(signSketch(adapter.runs.length, (layer) => layerFactors(adapter, layer)));
    this.#sketches.set(key, sketch);
    return sketch;
  }
}
