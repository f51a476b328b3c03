// The engines that `serve` opens: one, or one for each profile of a configuration file. Those of one base share its weights.

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

/** Closes those that were opened when one cannot be. */
export async function openEngines(
  profiles: ReadonlyMap<string, ProfileFlags>,
  output: Output,
): Promise<Map<string, Engine>> {
  const engines = new Map<string, Engine>();
  try {
    for (const [name, flags] of profiles) engines.set(name, await openEngine(flags, output));
    return engines;
  } catch (error) {
    for (const engine of engines.values()) await engine.close();
    throw error;
  }
}

export function openEngine(flags: ProfileFlags, output: Output): Promise<Engine> {
  const { maxSequences, maxQueue, drainThreshold, noPrefixCache, agreementDrop, agreementWindow } = flags;
  return loadEngine(flags, output, {
    ...templateOptions(flags),
    ...sourceOptions(flags, (problem) => output.note(`warning: ${problem}`)),
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
