// Whole adapters merged into one, place by place.

import type { ModelConfig } from "../../files/families/config.ts";
import { type LoraModuleName, moduleShape } from "../../files/families/modules.ts";
import type { Adapter, LoraModule } from "../../files/lora/adapter.ts";
import type { AbortLike } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { deltaOf, type Place, placesOf } from "../deltas.ts";
import { refuseExperts } from "../experts.ts";
import { type Factored, squaredNorm } from "../linear/factored.ts";
import type { Matrix } from "../linear/matrix.ts";
import { COMBINATIONS } from "./combine.ts";
import { HERE, type OpenMergeCrew, type PlaceJob, type PlaceResult } from "./job.ts";
import {
  isFactorwise,
  isQuick,
  type MergeMethod,
  type MergeTuning,
  type SettledTuning,
  settleTuning,
} from "./options.ts";

export interface MergeOptions extends MergeTuning {
  method: MergeMethod;
  /** One an adapter. Default 1 each. */
  weights?: readonly number[];
  /** Weights of single places in their stead, by path. */
  placeWeights?: ReadonlyMap<string, readonly number[]>;
  /** Inputs of each matrix on some texts, [in, tokens], by path: darex needs them. */
  inputs?: ReadonlyMap<string, Matrix>;
}

/** What was done, as it stands in merge.json. */
export interface MergeReport {
  method: MergeMethod;
  adapters: { name: string; hash: string; weight: number }[];
  /** What the method was told or took by default. */
  tuning: MergeTuning;
  /** Matrices of the base that the result extends. */
  places: number;
  /** Distinct ranks, ascending. */
  ranks: number[];
  /** What a method on whole deltas lost when its result was written as a LoRA, as a share of the Frobenius norm. */
  lost?: { all: number; worst: number; at: string };
  warnings: string[];
}

export interface MergedAdapter {
  layers: Adapter["layers"];
  report: MergeReport;
}

/** PEFT's methods that give one adapter alone back with its weight, whatever else they were told. */
const PLAIN_ALONE: ReadonlySet<string> = new Set([
  ...COMBINATIONS,
  ...COMBINATIONS.map((kind) => `${kind}_svd`),
  "svd",
]);

export interface MergeRun {
  onPlace?: (done: number, total: number) => void;
  signal?: AbortLike;
  /** Other threads, where there are some and the work is worth them. The result is the same. */
  openCrew?: OpenMergeCrew | undefined;
}

/**
 * Merges. The result's scale is 1 everywhere. Yields to other work between places; `onPlace` is told how far it is.
 *
 * @throws MoloraError `bad_arguments` for options that cannot be, or ranks that differ where a method needs equal ones;
 * `adapter_no_effect` where the result changes nothing; `cancelled`
 */
export async function mergeAdapters(
  adapters: readonly Adapter[],
  config: ModelConfig,
  options: MergeOptions,
  run: MergeRun = {},
): Promise<MergedAdapter> {
  const plan = planMerge(adapters, config, options);
  const layers: Adapter["layers"] = Array.from({ length: config.numLayers }, () => ({}));
  const size = { merged: 0, given: 0 };
  const lost = { all: 0, squares: 0, worst: 0, at: "" };
  // Sums in the order of places, whichever is done first.
  for (const [i, { delta, held, squares, missing }] of (await allPlaces(plan, run)).entries()) {
    const place = plan.places[i];
    size.merged += held;
    for (const lora of place.loras) if (lora !== undefined) size.given += squaredNorm(deltaOf(lora));
    lost.all += missing;
    lost.squares += squares;
    const share = squares > 0 ? Math.sqrt(missing / squares) : 0;
    if (share > lost.worst) Object.assign(lost, { worst: share, at: place.path });
    Object.assign(layers[place.layer], split(place, delta, config));
  }
  const modules = layers.flatMap((layer) => Object.values(layer));
  refuseNothing(size);
  const all = lost.squares > 0 ? Math.sqrt(lost.all / lost.squares) : 0;
  return {
    layers,
    report: {
      method: options.method,
      adapters: adapters.map(({ name, hash }, i) => ({ name, hash, weight: options.weights?.[i] ?? 1 })),
      tuning: plan.told,
      places: plan.places.length,
      ranks: [...new Set(modules.map(({ rank }) => rank))].sort((x, y) => x - y),
      ...(lost.at === "" ? {} : { lost: { all, worst: lost.worst, at: lost.at } }),
      warnings: [...plan.warnings, ...rankWarnings(modules)],
    },
  };
}

/** Deltas of so many entries in all are worth other threads. */
const MANY = 2 ** 22;

/** In the order of places. */
async function allPlaces(plan: MergePlan, { onPlace, signal, openCrew }: MergeRun): Promise<PlaceResult[]> {
  const { places } = plan;
  const entries = places.reduce((sum, { loras }) => {
    const one = loras.find((lora) => lora !== undefined)!;
    return sum + (one.a.length / one.rank) * (one.b.length / one.rank);
  }, 0);
  const crew = openCrew !== undefined && !plan.isQuick && entries >= MANY ? openCrew() : HERE;
  const results: PlaceResult[] = new Array(places.length);
  let [next, done] = [0, 0];
  const lane = async () => {
    while (next < places.length) {
      const i = next++;
      await breath(signal);
      results[i] = await crew.run(plan.jobOf(places[i]));
      onPlace?.(++done, places.length);
    }
  };
  try {
    await Promise.all(Array.from({ length: crew.width }, lane));
  } finally {
    next = places.length;
    crew.close();
  }
  return results;
}

export interface MergePlan {
  places: readonly Place[];
  jobOf: (place: Place) => PlaceJob;
  isQuick: boolean;
  /** Options that the method took. */
  told: MergeTuning;
  warnings: readonly string[];
}

/** Checks options against adapters, before anything is computed. @throws MoloraError as `mergeAdapters` */
export function planMerge(adapters: readonly Adapter[], config: ModelConfig, options: MergeOptions): MergePlan {
  const { method, weights = adapters.map(() => 1), placeWeights, inputs, ...tuning } = options;
  if (adapters.length === 0) throw new MoloraError("bad_arguments", "there is no adapter to merge");
  if (weights.length !== adapters.length || !weights.every(Number.isFinite)) {
    const given = `${weights.length} weights for ${adapters.length} adapters: ${weights.join(", ")}`;
    throw new MoloraError("bad_arguments", `${given}; each needs a finite one`);
  }
  const settled: SettledTuning = settleTuning(method, tuning);
  for (const adapter of adapters) refuseOtherChanges(adapter);
  // A rank that was asked for makes svd of one adapter a compression.
  const alone = adapters.length === 1 && PLAIN_ALONE.has(method) && settled.rank === undefined;
  const places = placesOf(adapters, config);
  if (isFactorwise(method)) refuseRanks(method, adapters, places);
  if (method === "darex" && inputs === undefined) {
    throw new MoloraError("bad_arguments", "darex rescales by what texts show, and there are none", {
      remedy: "Give texts, or take mergekit_dare_linear, which needs none.",
    });
  }
  const highestRank = Math.max(...places.flatMap(({ loras }) => loras.map((lora) => lora?.rank ?? 0)));
  const jobOf = (place: Place): PlaceJob => {
    const own = adapters.map((_, i) => i).filter((i) => place.loras[i] !== undefined);
    const here = placeWeights?.get(place.path) ?? weights;
    const task = {
      place,
      loras: own.map((i) => place.loras[i]!),
      adapters: own,
      weights: own.map((i) => here[i]),
      highestRank,
      inputs: inputs?.get(place.path),
    };
    const rank = settled.rank ?? task.loras.reduce((sum, lora) => sum + lora.rank, 0);
    return { method: alone ? "linear" : method, task, tuning: settled, rank };
  };
  const warnings = alone
    ? [`one adapter alone is only weighted, as in PEFT; ${method} begins with two.`]
    : isFactorwise(method)
      ? [`${method} merges A and B apart: products between adapters come into the result. cat and svd are exact.`]
      : [];
  return { places, jobOf, isQuick: alone || isQuick(method), told: tuning, warnings };
}

/** What an adapter changes beside B·A has no place in a merged LoRA, and leaving it out would be another adapter. */
function refuseOtherChanges({ name, layers, invocation, vocabulary, experts }: Adapter): void {
  if (experts !== undefined) refuseExperts(name);
  const modules = layers.flatMap((layer) => Object.values(layer));
  const other = modules.find(({ rows, unsettled }) => rows !== undefined || unsettled !== undefined);
  const isPlain = other === undefined && invocation === undefined && vocabulary === undefined;
  if (isPlain && modules.every(({ rank }) => rank > 0)) return;
  const what =
    invocation !== undefined
      ? "acts from a token of the prompt on (activated LoRA)"
      : vocabulary !== undefined
        ? "has an embedding or an output head of its own"
        : other?.unsettled?.magnitude !== undefined
          ? "is a DoRA, which scales whole rows of the base"
          : "changes rows or biases of the base";
  throw new MoloraError(
    "adapter_unsupported",
    `"${name}" ${what}: that is no product of two factors, and is not merged`,
    {
      remedy: "Stack or route it beside the others, or merge plain LoRAs.",
      details: { adapter: name },
    },
  );
}

function refuseRanks(method: MergeMethod, adapters: readonly Adapter[], places: readonly Place[]): void {
  const uneven = places.find(({ loras }) => new Set(loras.flatMap((lora) => lora?.rank ?? [])).size > 1);
  if (uneven === undefined) return;
  const ranks = adapters.map(({ name }, i) => `${name} ${uneven.loras[i]?.rank ?? "none"}`).join(", ");
  throw new MoloraError("bad_arguments", `${method} needs equal ranks; at ${uneven.path} they are ${ranks}`, {
    remedy: "Take a method that does not: cat, svd, ties_svd, knots, lego or tsv.",
  });
}

/** The modules of a place share A; B's rows are theirs one behind the other. */
function split(
  { modules }: Place,
  { b, a }: Factored,
  config: ModelConfig,
): Partial<Record<LoraModuleName, LoraModule>> {
  const rank = a.rows;
  const shared = Float32Array.from(a.data);
  let first = 0;
  const parts = modules.map((module): [LoraModuleName, LoraModule] => {
    const [out] = moduleShape(config, module);
    const part = Float32Array.from(b.data.subarray(first * rank, (first + out) * rank));
    first += out;
    return [module, { rank, scale: 1, a: shared, b: part }];
  });
  return Object.fromEntries(parts);
}

/** Deltas that cancel leave rounding behind: a millionth of what was given, in Frobenius norms. */
function refuseNothing({ merged, given }: { merged: number; given: number }): void {
  if (merged > 1e-12 * given) return;
  throw new MoloraError("adapter_no_effect", "the merged adapter changes nothing: every delta of it is zero", {
    remedy: "Check the weights and the density: these cancel or drop everything.",
  });
}

/** Highest rank that an engine takes unless it is told otherwise. */
const USUAL_RANK = 64;

function rankWarnings(modules: readonly LoraModule[]): string[] {
  const highest = Math.max(...modules.map(({ rank }) => rank));
  if (highest <= USUAL_RANK) return [];
  return [`the result has rank ${highest}; an engine takes ${USUAL_RANK} unless it is started with maxRank.`];
}

/** Lets timers, requests and signals through. */
async function breath(signal: AbortLike | undefined): Promise<void> {
  await new Promise<void>((resolve) => setTimeout(resolve, 0));
  if (signal?.aborted) throw new MoloraError("cancelled", "the merge was interrupted");
}
