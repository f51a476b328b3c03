// What a profile of `serve` may say, which profiles are meant, and an engine as one of them says. Those of one base share its weights.

import type { Engine } from "../node/index.ts";
import { MoloraError } from "../proto/errors.ts";
import type { FlagValues } from "./flags/arguments.ts";
import { nearest } from "./flags/nearest.ts";
import { ENGINE_FLAGS } from "./flags/serve_flags.ts";
import { SOURCE_FLAGS, sourceOptions } from "./flags/source_flags.ts";
import { LOAD_FLAGS, loadEngine, TEMPLATE_FLAGS, templateOptions } from "./load.ts";
import type { Output } from "./terminal/output.ts";

/** What a profile may say. */
export const PROFILE_FLAGS = { ...LOAD_FLAGS, ...TEMPLATE_FLAGS, ...SOURCE_FLAGS, ...ENGINE_FLAGS };
export type ProfileFlags = FlagValues<typeof PROFILE_FLAGS>;

/** Those of `wanted`, in its order; all where nothing is wanted. @throws MoloraError `bad_arguments` */
export function chosenProfiles<T>(profiles: ReadonlyMap<string, T>, wanted: readonly string[]): Map<string, T> {
  if (wanted.length === 0) return new Map(profiles);
  return new Map(
    wanted.map((name) => {
      const found = profiles.get(name);
      if (found === undefined) throw unknownProfile(name, [...profiles.keys()]);
      return [name, found];
    }),
  );
}

/** `onPressure` is told of bytes that are missing for the base. */
export function openEngine(
  flags: ProfileFlags,
  output: Output,
  onPressure?: (bytes: number) => Promise<void>,
): Promise<Engine> {
  const { maxSequences, maxQueue, drainThreshold, noPrefixCache, agreementDrop, agreementWindow } = flags;
  return loadEngine(flags, output, {
    ...templateOptions(flags),
    ...sourceOptions(flags, (problem) => output.note(`warning: ${problem}`)),
    ...(onPressure === undefined ? {} : { onPressure }),
    maxSequences,
    maxQueue,
    ...(drainThreshold === undefined ? {} : { drainAfterMs: 1000 * drainThreshold }),
    prefixCache: !noPrefixCache,
    agreementDrop,
    agreementWindow,
  });
}

function unknownProfile(name: string, known: string[]): MoloraError {
  const best = nearest(name, known);
  const there =
    known.length === 0 ? "Write one into the --config file: [profiles.NAME]." : `The file has: ${known.join(", ")}.`;
  return new MoloraError("bad_arguments", `there is no profile ${JSON.stringify(name)}`, {
    remedy: best === undefined ? there : `Did you mean ${best}? ${there}`,
    details: { flag: "--profile", profile: name },
  });
}
