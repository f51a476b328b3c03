// What adapters' weights alone say about merging them: per matrix, per pair, and of the whole set.

import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { deltaOf, type Place, placesOf } from "../deltas.ts";
import { refuseExperts } from "../experts.ts";
import { factoredSvd } from "../linear/factored.ts";
import { firstColumns, firstRows } from "../linear/matrix.ts";
import type { Svd } from "../linear/svd.ts";
import { entriesOf, signConflict, weightedConflict } from "./entries.ts";
import { type Gram, gramOf, interference, nuclearNorm, pairMeasures } from "./gram.ts";
import { type Spectrum, spectrumOf } from "./spectrum.ts";

/** Two adapters at one matrix, or over all their matrices. `first` and `second` index the adapters. */
export interface PairDiagnosis {
  first: number;
  second: number;
  cosine: number;
  normRatio: number;
  /** Share of entries with opposite signs. */
  signConflict: number;
  /** Share of the entries' weight that the sum of both cancels. */
  weightedConflict: number;
  /** Mean squared cosine of the principal angles of what they read and write: 1 where the smaller lies in the larger. */
  inputAlignment: number;
  outputAlignment: number;
  /** What the second adds where the first reads, beside what the first does; and the other way round. */
  drownsFirst: number;
  drownsSecond: number;
  /** Singular-task interference ÷ Σσ. */
  interference: number;
}

export interface SetDiagnosis {
  weightedConflict: number;
  /** Singular-task interference ÷ Σσ. */
  interference: number;
}

export interface PlaceDiagnosis {
  layer: number;
  /** "q_proj", or "q_proj, k_proj, v_proj" where the base keeps them in one matrix. */
  module: string;
  path: string;
  /** In the order of the adapters; undefined where one does not extend this matrix. */
  spectra: (Spectrum | undefined)[];
  pairs: PairDiagnosis[];
  set: SetDiagnosis;
}

export interface Diagnosis {
  adapters: { name: string; ranks: number[]; norm: number; effectiveRank: number; stableRank: number }[];
  places: PlaceDiagnosis[];
  /** Means over the matrices both extend, weighted by the product of their norms there. */
  pairs: PairDiagnosis[];
  /** Means over matrices, weighted by Σσ. */
  set: SetDiagnosis;
  /** The set of the first one, two, … adapters. */
  growing: SetDiagnosis[];
  /** The set without each adapter. */
  without: SetDiagnosis[];
}

/** Singular values below this part of the largest are rounding of the factors. */
const ROUNDING = 1e-7;

/**
 * Measures `adapters` of one base beside each other. Deltas enter with their own scale. `onProgress`: matrices done, of all.
 * Entries of large matrices are compared on a drawn block, which depends on the matrix's place alone.
 */
export async function diagnose(
  adapters: readonly Pick<Adapter, "name" | "layers" | "experts" | "report">[],
  config: ModelConfig,
  onProgress: (done: number, total: number) => void | Promise<void> = () => {},
): Promise<Diagnosis> {
  for (const { name, experts } of adapters) if (experts !== undefined) refuseExperts(name);
  const count = adapters.length;
  const all = adapters.map((_, i) => i);
  const subsets = [all, ...all.map((i) => all.slice(0, i + 1)), ...all.map((i) => all.filter((k) => k !== i))];
  const sets = new Weighted(subsets.length);
  const pairs = new Map<string, PairMean>();
  const spectra = adapters.map(() => new SpectrumMean());
  const places: PlaceDiagnosis[] = [];
  const found = placesOf(adapters, config);
  for (const [n, place] of found.entries()) {
    const measured = measure(place, n, subsets);
    places.push(measured.diagnosis);
    sets.add(measured.subsets, measured.nuclear);
    for (const pair of measured.diagnosis.pairs) {
      const key = `${pair.first} ${pair.second}`;
      const mean = pairs.get(key) ?? new PairMean();
      pairs.set(key, mean);
      const weight = [pair.first, pair.second].reduce((w, i) => w * measured.diagnosis.spectra[i]!.norm, 1);
      mean.add(pair, weight);
    }
    for (const [i, spectrum] of measured.diagnosis.spectra.entries()) if (spectrum) spectra[i].add(spectrum);
    await onProgress(n + 1, found.length);
  }
  const means = sets.means();
  return {
    adapters: adapters.map(({ name, report }, i) => ({ name, ranks: report.ranks, ...spectra[i].mean() })),
    places,
    pairs: [...pairs.values()].map((mean) => mean.mean()),
    set: means[0],
    growing: means.slice(1, 1 + count),
    without: means.slice(1 + count),
  };
}

interface Measured {
  diagnosis: PlaceDiagnosis;
  subsets: (SetDiagnosis | undefined)[];
  nuclear: number[];
}

function measure(place: Place, seed: number, subsets: readonly (readonly number[])[]): Measured {
  const indices = place.loras.flatMap((lora, i) => (lora === undefined ? [] : [i]));
  const deltas = indices.map((i) => deltaOf(place.loras[i]!));
  const parts = deltas.map((delta) => withoutZeros(factoredSvd(delta)));
  const entries = entriesOf(deltas, seed);
  const gram = gramOf(parts);
  const spectra: (Spectrum | undefined)[] = place.loras.map(() => undefined);
  for (const [k, i] of indices.entries()) spectra[i] = spectrumOf(parts[k].s);

  const pairs = indices.flatMap((first, x) =>
    indices.slice(x + 1).map((second, k): PairDiagnosis => {
      const y = x + 1 + k;
      const { inputAngles, outputAngles, ...rest } = pairMeasures(gram, x, y);
      return {
        first,
        second,
        ...rest,
        signConflict: signConflict(entries[x], entries[y]),
        weightedConflict: weightedConflict([entries[x], entries[y]]),
        inputAlignment: meanSquare(inputAngles),
        outputAlignment: meanSquare(outputAngles),
        interference: relative(gram, [x, y]),
      };
    }),
  );
  const present = subsets.map((subset) => subset.flatMap((i) => (indices.includes(i) ? [indices.indexOf(i)] : [])));
  const sets = present.map((subset): SetDiagnosis | undefined =>
    subset.length === 0
      ? undefined
      : { weightedConflict: weightedConflict(subset.map((k) => entries[k])), interference: relative(gram, subset) },
  );
  const { layer, modules, path } = place;
  return {
    diagnosis: { layer, module: modules.join(", "), path, spectra, pairs, set: sets[0]! },
    subsets: sets,
    nuclear: present.map((subset) => nuclearNorm(gram, subset)),
  };
}

function relative(gram: Gram, deltas: readonly number[]): number {
  const whole = nuclearNorm(gram, deltas);
  return whole === 0 ? 0 : interference(gram, deltas) / whole;
}

/** Zero singular values have arbitrary vectors. A zero matrix keeps one triple of 0. */
function withoutZeros({ u, s, vt }: Svd): Svd {
  const kept = Math.max(1, s.filter((value) => value > ROUNDING * s[0]).length);
  return { u: firstColumns(u, kept), s: s.slice(0, kept), vt: firstRows(vt, kept) };
}

function meanSquare(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value * value, 0) / values.length;
}

/** Means of sets over matrices. */
class Weighted {
  readonly #sums: { conflict: number; interference: number; weight: number }[];

  constructor(count: number) {
    this.#sums = Array.from({ length: count }, () => ({ conflict: 0, interference: 0, weight: 0 }));
  }

  add(sets: readonly (SetDiagnosis | undefined)[], weights: readonly number[]): void {
    for (const [i, set] of sets.entries()) {
      if (set === undefined) continue;
      const sum = this.#sums[i];
      sum.conflict += weights[i] * set.weightedConflict;
      sum.interference += weights[i] * set.interference;
      sum.weight += weights[i];
    }
  }

  means(): SetDiagnosis[] {
    return this.#sums.map(({ conflict, interference, weight }) =>
      weight === 0
        ? { weightedConflict: 0, interference: 0 }
        : { weightedConflict: conflict / weight, interference: interference / weight },
    );
  }
}

/** The weighted mean of every number of a pair but its indices. */
class PairMean {
  #sum: PairDiagnosis | undefined;
  #weight = 0;

  add(pair: PairDiagnosis, weight: number): void {
    const sum = this.#sum ?? { ...pair, ...scaled(pair, 0) };
    this.#sum = { ...sum, ...Object.fromEntries(numbers(pair).map((key) => [key, sum[key] + weight * pair[key]])) };
    this.#weight += weight;
  }

  mean(): PairDiagnosis {
    const sum = this.#sum!;
    return this.#weight === 0 ? sum : { ...sum, ...scaled(sum, 1 / this.#weight) };
  }
}

type PairNumber = Exclude<keyof PairDiagnosis, "first" | "second">;

function numbers(pair: PairDiagnosis): PairNumber[] {
  return (Object.keys(pair) as (keyof PairDiagnosis)[]).filter(
    (key): key is PairNumber => key !== "first" && key !== "second",
  );
}

function scaled(pair: PairDiagnosis, factor: number): Partial<PairDiagnosis> {
  return Object.fromEntries(numbers(pair).map((key) => [key, factor * pair[key]]));
}

/** One adapter over all its matrices. */
class SpectrumMean {
  #squares = 0;
  #effective = 0;
  #stable = 0;
  #count = 0;

  add({ norm, effectiveRank, stableRank }: Spectrum): void {
    this.#squares += norm * norm;
    this.#effective += effectiveRank;
    this.#stable += stableRank;
    this.#count++;
  }

  mean() {
    const count = Math.max(1, this.#count);
    return {
      norm: Math.sqrt(this.#squares),
      effectiveRank: this.#effective / count,
      stableRank: this.#stable / count,
    };
  }
}
