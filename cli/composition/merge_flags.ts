// The flags of `molora merge` that say how, and what a method makes of them.

import { COMBINATIONS } from "../../composition/merge/combine.ts";
import { METHOD_NAMES, METHODS, type MergeTuning } from "../../composition/merge/options.ts";
import { columns } from "../command.ts";
import type { FlagValues } from "../flags/arguments.ts";
import { choice, integer, number, toggle } from "../flags/flags.ts";

export const TUNING_FLAGS = {
  density: number("X", "Share of entries that is kept; at 1 nothing is pruned (default: 0.5)", { min: 0 }),
  majoritySign: choice(
    ["default", "total", "frequency"],
    "Which sign wins: the sum's, or that of more adapters",
    "default",
  ),
  rank: integer("N", "Rank of the result (default: by method, see below)", { min: 1 }),
  clamp: number("X", "svd methods: limit factors at this quantile (PEFT's svd_clamp)", { min: 0, max: 1 }),
  normalize: choice(
    ["default", "yes", "no"],
    "mergekit methods: divide by the weights that went into an entry",
    "default",
  ),
  lambda: number("X", "mergekit methods, darex: factor of the result (default: 1)"),
  inner: choice(["default", ...COMBINATIONS], "knots: what is done in the shared basis (default: ties)", "default"),
  reweight: toggle("lego: stretch centres to the mean length of their members"),
  seed: integer("N", "Of what is drawn, and of texts (default: 0)", { min: 0 }),
};

/** Only what was given: a method refuses what it does not take. */
export function tuningOf(flags: FlagValues<typeof TUNING_FLAGS>): MergeTuning {
  const { density, majoritySign, rank, clamp, normalize, lambda, inner, reweight, seed } = flags;
  return {
    ...(density === undefined ? {} : { density }),
    ...(majoritySign === "default" ? {} : { majoritySign }),
    ...(rank === undefined ? {} : { rank }),
    ...(clamp === undefined ? {} : { clamp }),
    ...(normalize === "default" ? {} : { normalize: normalize === "yes" }),
    ...(lambda === undefined ? {} : { lambda }),
    ...(inner === "default" ? {} : { inner }),
    ...(reweight ? { reweight } : {}),
    ...(seed === undefined ? {} : { seed }),
  };
}

/** Every method in a line, for `--help`. */
export const METHODS_TEXT = columns(METHOD_NAMES.map((name) => [name, METHODS[name].summary]));
