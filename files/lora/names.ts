// The names that adapters, mixtures and experts may bear.

import { type ErrorCode, MoloraError } from "../../proto/errors.ts";

/** The name that stands for the base alone. */
export const BASE_NAME = "base";

/** Refuses, with `code`, a name that could not stand in a request, in `--use a=0.7,b=0.3` or in a metric's label. */
export function checkName(what: string, name: string, code: ErrorCode): void {
  if (/^[A-Za-z0-9._-]{1,128}$/.test(name)) return;
  const shown = name.length > 40 ? `${name.slice(0, 40)}…` : name;
  throw new MoloraError(code, `${JSON.stringify(shown)} cannot name ${what}`, {
    remedy: "A name is 1 to 128 letters, digits, dots, underscores and hyphens.",
  });
}
