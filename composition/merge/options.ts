// What a merge can be told, which method takes what, and what holds where nothing is said.

import { MoloraError } from "../../proto/errors.ts";
import { COMBINATIONS, type Combination, type MajoritySign } from "./combine.ts";

/** How adapters become one. Names of PEFT's `combination_type` mean the same; `mergekit_…` work on whole deltas. */
export type MergeMethod =
  | "cat"
  | "svd"
  | Combination
  | `${Exclude<Combination, "linear">}_svd`
  | "task_arithmetic"
  | "mergekit_ties"
  | "mergekit_dare_linear"
  | "mergekit_dare_ties"
  | "darex"
  | "tsv"
  | "tsv_compress"
  | "knots"
  | "lego";

export interface MergeTuning {
  /** Share of entries that is kept, above 0; at 1 and above nothing is pruned. Default .5. */
  density?: number;
  /** Which sign wins an entry: that of the sum (default), or that of more values. */
  majoritySign?: MajoritySign;
  /**
   * Rank of the result. Default: the highest of the adapters for svd, `*_svd` and lego (there: the number of clusters);
   * the sum of theirs for what is computed on whole deltas, tsv (there shared equally among the adapters) and knots.
   */
  rank?: number;
  /** PEFT's svd_clamp: a quantile, 0 to 1. Default: nothing is clamped. */
  clamp?: number;
  /** mergekit's: divide by the weights that went into an entry. Default: for mergekit_ties only. */
  normalize?: boolean;
  /** mergekit's factor of the result. Default 1. */
  lambda?: number;
  /** What knots does in the shared basis. Default ties. */
  inner?: Combination;
  /** lego: stretch centres to the mean length of their members. Default: no. */
  reweight?: boolean;
  /** Of what is drawn (dare, darex, lego). Default 0. */
  seed?: number;
}

export type SettledTuning = Required<Omit<MergeTuning, "rank" | "clamp">> & Pick<MergeTuning, "rank" | "clamp">;

interface MethodFacts {
  /** One line, for people. */
  summary: string;
  takes: readonly (keyof MergeTuning)[];
  /** It divides by the number of adapters, or of those that agree: weights of 1 do not let the result grow with them. */
  averages?: true;
}

const PRUNE = ["density"] as const;
const ELECT = ["density", "majoritySign"] as const;
const SVD = ["rank", "clamp"] as const;
const MERGEKIT = ["normalize", "lambda", "rank"] as const;

/** Every method, in the order that help shows them. */
export const METHODS: Readonly<Record<MergeMethod, MethodFacts>> = {
  cat: { summary: "Σ weight·Δ exactly; ranks add up", takes: [] },
  task_arithmetic: { summary: "the same; negative weights take a skill away", takes: [] },
  svd: { summary: "Σ weight·Δ, nearest of a lower rank", takes: SVD },
  linear: { summary: "A's and B's summed apart; equal ranks, carries cross terms", takes: [] },
  ties: { summary: "TIES on A's and B's apart", takes: ELECT, averages: true },
  dare_linear: { summary: "DARE on A's and B's apart", takes: [...PRUNE, "seed"] },
  dare_ties: { summary: "DARE and elected signs on A's and B's apart", takes: [...ELECT, "seed"], averages: true },
  magnitude_prune: { summary: "A's and B's pruned and summed apart", takes: PRUNE },
  ties_svd: { summary: "TIES on whole deltas, then svd", takes: [...ELECT, ...SVD], averages: true },
  dare_linear_svd: { summary: "DARE on whole deltas, then svd", takes: [...PRUNE, ...SVD, "seed"] },
  dare_ties_svd: {
    summary: "DARE and elected signs on whole deltas, then svd",
    takes: [...ELECT, ...SVD, "seed"],
    averages: true,
  },
  magnitude_prune_svd: { summary: "whole deltas pruned and summed, then svd", takes: [...PRUNE, ...SVD] },
  mergekit_ties: {
    summary: "TIES as mergekit: signs by weighted deltas",
    takes: [...ELECT, ...MERGEKIT],
    averages: true,
  },
  mergekit_dare_linear: { summary: "DARE as mergekit", takes: [...PRUNE, ...MERGEKIT, "seed"] },
  mergekit_dare_ties: { summary: "DARE with TIES' signs as mergekit", takes: [...ELECT, ...MERGEKIT, "seed"] },
  darex: { summary: "DARE rescaled by what texts show (DAREx-q)", takes: [...PRUNE, "lambda", "rank", "seed"] },
  tsv: { summary: "Task Singular Vectors: bases orthogonalised against each other", takes: ["rank"] },
  tsv_compress: { summary: "each adapter's largest singular triples, summed as they are", takes: ["rank"] },
  knots: {
    summary: "KnOTS: merged in a shared singular basis",
    takes: ["inner", ...ELECT, "rank", "seed"],
    averages: true,
  },
  lego: { summary: "LoRA-LEGO: ranks clustered; any ranks", takes: ["rank", "reweight", "seed"], averages: true },
};

/** The weight that gives each of `count` adapters an even share: 1 where the method averages, else 1/count. */
export function evenWeight(method: MergeMethod, count: number): number {
  return METHODS[method].averages ? 1 : 1 / count;
}

const FACTORWISE: ReadonlySet<MergeMethod> = new Set(COMBINATIONS);

/** Whether A's and B's are merged apart, so that their scale matters and products between adapters come in. */
export function isFactorwise(method: MergeMethod): boolean {
  return FACTORWISE.has(method);
}

/** Whether factors are only joined or summed: other threads would cost more than they save. */
export function isQuick(method: MergeMethod): boolean {
  return method === "cat" || method === "task_arithmetic" || isFactorwise(method);
}

export const METHOD_NAMES = Object.keys(METHODS) as MergeMethod[];

/**
 * Fills in what was not said.
 *
 * @throws MoloraError `bad_arguments` for an option that the method does not take, or a value out of range
 */
export function settleTuning(method: MergeMethod, tuning: MergeTuning): SettledTuning {
  const { takes } = METHODS[method];
  for (const [name, value] of Object.entries(tuning) as [keyof MergeTuning, unknown][]) {
    if (value === undefined || takes.includes(name)) continue;
    const others = METHOD_NAMES.filter((other) => METHODS[other].takes.includes(name));
    throw new MoloraError("bad_arguments", `the method ${method} has no ${name}`, {
      remedy: `Leave it out, or choose a method that has it: ${others.join(", ")}.`,
    });
  }
  const {
    density = 0.5,
    majoritySign = "total",
    rank,
    clamp,
    lambda = 1,
    inner = "ties",
    reweight = false,
    seed = 0,
  } = tuning;
  check("density", density > 0, `${density}`, "a share above 0: what is kept");
  check("rank", rank === undefined || (Number.isInteger(rank) && rank > 0), `${rank}`, "a whole number of at least 1");
  check("clamp", clamp === undefined || (clamp >= 0 && clamp <= 1), `${clamp}`, "a quantile from 0 to 1");
  check("lambda", Number.isFinite(lambda), `${lambda}`, "a finite number");
  check("inner", COMBINATIONS.includes(inner), inner, `one of ${COMBINATIONS.join(", ")}`);
  check("majoritySign", majoritySign === "total" || majoritySign === "frequency", majoritySign, "total or frequency");
  const { normalize = method === "mergekit_ties" } = tuning;
  const settled = { density, majoritySign, lambda, inner, reweight, seed, normalize };
  return { ...settled, ...(rank === undefined ? {} : { rank }), ...(clamp === undefined ? {} : { clamp }) };
}

function check(name: string, fits: boolean, given: string, wanted: string): void {
  if (fits) return;
  throw new MoloraError("bad_arguments", `${name} ${given} is not ${wanted}`);
}
