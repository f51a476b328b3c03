// The flags of `molora diagnose` that say what is measured, and on which texts.

import { METHOD_NAMES, METHODS, type MergeMethod, type MergeTuning } from "../../composition/merge/options.ts";
import { MoloraError } from "../../proto/errors.ts";
import { EVALUATION_FLAGS } from "../commands/eval.ts";
import type { FlagValues } from "../flags/arguments.ts";
import { DEVICE_FLAGS, deviceOptions, MODEL_FLAGS } from "../flags/common_flags.ts";
import { integer, list, number, text } from "../flags/flags.ts";
import { dataFlag, ON_BAD_ROW } from "../training/labelled_data.ts";
import type { MeasureOptions } from "./measured.ts";

/** Measured where nothing is said; the stack measures `cat` as well. */
const USUAL_METHODS: readonly MergeMethod[] = ["svd", "ties_svd", "tsv", "knots"];

export const MEASURE_FLAGS = {
  data: dataFlag("Held-out rows to measure on"),
  method: list("METHOD", `--data: merge by it (default: ${USUAL_METHODS.join(", ")})`),
  density: number("X", "--data: share of entries that is kept by methods that prune (default: 0.5)", { min: 0 }),
  rank: integer("N", "--data: rank of merges by methods that have one", { min: 1 }),
  mixture: text("DIR", "--data: a mixture to measure as well (default: that of the embedded adapters)"),
  onBadRow: ON_BAD_ROW,
  dtype: MODEL_FLAGS.dtype,
  ...DEVICE_FLAGS,
  ...EVALUATION_FLAGS,
};

/**
 * Undefined without --data.
 *
 * @throws MoloraError `bad_arguments` for flags that would be ignored
 */
export function readMeasuring(
  flags: FlagValues<typeof MEASURE_FLAGS>,
): Omit<MeasureOptions, "adapters" | "mixture" | "signal"> | undefined {
  const { data, method, density, rank, mixture } = flags;
  if (data.length === 0) {
    refuse({ method: method[0], density, rank, mixture }, "is for measuring, and there is no --data", DATA_REMEDY);
    return undefined;
  }
  const methods = method.length === 0 ? USUAL_METHODS : [...new Set(method.map(readMethod))];
  const tuning: MergeTuning = {
    ...(density === undefined ? {} : { density }),
    ...(rank === undefined ? {} : { rank }),
  };
  const idle = Object.entries(tuning).filter(
    ([name]) => !methods.some((one) => METHODS[one].takes.includes(name as keyof MergeTuning)),
  );
  refuse(
    Object.fromEntries(idle),
    `is for none of ${methods.join(", ")}`,
    "Leave it out, or add a method that has it.",
  );
  return { ...flags, methods, tuning, on: deviceOptions(flags) };
}

const DATA_REMEDY = "Give held-out rows: --data domain=FILE.jsonl.";

function refuse(flags: Readonly<Record<string, unknown>>, reason: string, remedy: string): void {
  const stray = Object.entries(flags).find(([, value]) => value !== undefined);
  if (stray !== undefined) throw new MoloraError("bad_arguments", `--${stray[0]} ${reason}`, { remedy });
}

function readMethod(name: string): MergeMethod {
  const method = METHOD_NAMES.find((known) => known === name);
  if (method !== undefined) return method;
  throw new MoloraError("bad_arguments", `--method ${name} is none of ${METHOD_NAMES.join(", ")}`, {
    remedy: "molora merge --help says what each of them does.",
  });
}
