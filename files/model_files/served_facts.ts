// A model's facts from its family and its file together, where the kernels compute all of them.

import { FACT_WORDS, type Facts, joinFacts, SERVED } from "../families/facts.ts";
import type { Family } from "../families/family.ts";
import { unsupportedArchitecture } from "./check_config.ts";

/** Facts a file states, and how a refusal names what states them: "sliding_window 4096". */
export interface StatedFacts {
  facts: Facts;
  stated: string;
}

/**
 * Refuses a family that always computes what no kernel does, before its files are looked at more closely.
 *
 * @throws MoloraError `unsupported_architecture`
 */
export function refuseUnservedFamily(file: string, name: string, family: Family): void {
  const lacking = unserved(family.facts?.({ hiddenSize: 1 }) ?? {}).map((fact) => FACT_WORDS[fact]);
  if (lacking.length > 0) throw unsupportedArchitecture(file, `architecture ${name} (${lacking.join(", ")})`);
}

/**
 * Joins them; the family has passed `refuseUnservedFamily`.
 *
 * @throws MoloraError `unsupported_architecture` for a fact that no kernel computes, by what states it
 */
export function servedFacts(
  file: string,
  family: Family,
  sizes: { hiddenSize: number },
  stated: readonly StatedFacts[],
): Facts {
  const refused = stated.find(({ facts }) => unserved(facts).length > 0);
  if (refused !== undefined) throw unsupportedArchitecture(file, refused.stated);
  return joinFacts([family.facts?.(sizes) ?? {}, ...stated.map(({ facts }) => facts)]);
}

function unserved(facts: Facts): (keyof Facts)[] {
  return (Object.keys(facts) as (keyof Facts)[]).filter((fact) => !SERVED.has(fact));
}
