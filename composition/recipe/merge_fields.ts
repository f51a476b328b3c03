// How a merge is written in a recipe: the method, and its options under their names in JSON.

import type { Fields } from "../../files/fields.ts";
import { MoloraError } from "../../proto/errors.ts";
import { COMBINATIONS } from "../merge/combine.ts";
import { METHOD_NAMES, type MergeMethod, type MergeTuning, settleTuning } from "../merge/options.ts";

type FileMethod = Exclude<MergeMethod, "darex">;

/** darex looks at texts, and a recipe has none. */
const FILE_METHODS = METHOD_NAMES.filter((method): method is FileMethod => method !== "darex");

/** Names in the file by those in the code. */
const FIELDS: Readonly<Record<keyof MergeTuning, string>> = {
  density: "density",
  majoritySign: "majority_sign",
  rank: "rank",
  clamp: "clamp",
  normalize: "normalize",
  lambda: "lambda",
  inner: "inner",
  reweight: "reweight",
  seed: "seed",
};

/**
 * `method` and its options.
 *
 * @throws MoloraError `mixture_invalid` for a value that cannot be, or an option that the method lacks
 */
export function readMerge(fields: Fields): { method: FileMethod; tuning: MergeTuning } {
  fields.only(["method", "adapters", ...Object.values(FIELDS)]);
  const method = fields.oneOf("method", FILE_METHODS);
  const numbers = (["density", "rank", "clamp", "lambda", "seed"] as const).flatMap((name) =>
    fields.has(FIELDS[name]) ? [[name, fields.number(FIELDS[name])]] : [],
  );
  const switches = (["normalize", "reweight"] as const).flatMap((name) =>
    fields.has(FIELDS[name]) ? [[name, fields.boolean(FIELDS[name])]] : [],
  );
  const tuning: MergeTuning = {
    ...Object.fromEntries([...numbers, ...switches]),
    ...(fields.has(FIELDS.majoritySign)
      ? { majoritySign: fields.oneOf(FIELDS.majoritySign, ["total", "frequency"] as const) }
      : {}),
    ...(fields.has(FIELDS.inner) ? { inner: fields.oneOf(FIELDS.inner, COMBINATIONS) } : {}),
  };
  try {
    settleTuning(method, tuning);
  } catch (thrown) {
    const { message, remedy } = MoloraError.from(thrown);
    throw new MoloraError("mixture_invalid", `${fields.where}: ${message}`, remedy === undefined ? {} : { remedy });
  }
  return { method, tuning };
}

export function writeTuning(tuning: MergeTuning): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(tuning).map(([name, value]) => [FIELDS[name as keyof MergeTuning], value as unknown]),
  );
}
