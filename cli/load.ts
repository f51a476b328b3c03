// An engine from the command line's flags, with bars for what takes time, and what a SPEC means to it.
// It knows nothing of what the engine is loaded for.

import { cacheProblem } from "../node/cache.ts";
import { Engine, type LoadOptions } from "../node/index.ts";
import type { Routing } from "../proto/api.ts";
import { MoloraError } from "../proto/errors.ts";
import type { FlagValues } from "./flags/arguments.ts";
import { checkNames, MODEL_FLAGS, parseUse } from "./flags/common_flags.ts";
import { integer, type NamedPath } from "./flags/flags.ts";
import type { Output } from "./terminal/output.ts";
import { formatBytes, Progress } from "./terminal/progress.ts";

/** What to load and how much of the device to take for it. */
export const LOAD_FLAGS = {
  ...MODEL_FLAGS,
  context: integer("N", "Longest sequence, in tokens (default: the model's own, at most 8192)", { min: 1 }),
  poolBytes: integer("N", "Device bytes for KV and adapters together (default: 256 MiB on a CPU, else 2 GiB)", {
    min: 1,
  }),
};

/** Loads what the flags say; progress on stderr. */
export async function loadEngine(
  flags: FlagValues<typeof LOAD_FLAGS>,
  output: Output,
  more: Pick<LoadOptions, "maxSequences" | "maxQueue" | "prefixCache"> = {},
): Promise<Engine> {
  checkNames(flags.adapter, flags.mixture);
  const model = flags.model ?? "nano";
  const options: LoadOptions = {
    model,
    adapters: byName(flags.adapter),
    mixtures: byName(flags.mixture),
    dtype: flags.dtype,
    ...more,
    ...(flags.context === undefined ? {} : { contextLength: flags.context }),
    ...(flags.poolBytes === undefined ? {} : { poolBytes: flags.poolBytes }),
  };
  const { stderr } = output.streams;
  const unwritable = cacheProblem();
  if (unwritable !== undefined) {
    output.note(
      `warning: ${unwritable}: shaders are compiled anew at every start. Set MOLORA_CACHE to another folder.`,
    );
  }
  const fetching = new Progress(`fetching ${model}`, formatBytes, stderr);
  const loading = new Progress(`loading ${model}`, formatBytes, stderr);
  try {
    return await Engine.load({
      ...options,
      onFetch: ({ source, received, total }) => {
        fetching.update(received, total, source);
        if (received >= total) fetching.finish();
      },
      onProgress: (done, total) => loading.update(done, total),
    });
  } finally {
    fetching.finish();
    loading.finish();
  }
}

function byName(pairs: readonly NamedPath[]): Record<string, string> {
  return Object.fromEntries(pairs.map(({ name, path }) => [name, path]));
}

/** What a SPEC means to this engine. Throws `bad_arguments` for a name that is not loaded. */
export function routingOf(engine: Engine, spec: string): Routing {
  return parseUse(spec, {
    adapters: engine.listAdapters().map(({ name }) => name),
    mixtures: engine.listMixtures().map(({ name }) => name),
  });
}

/** The SPEC of a command that takes one; `base` where none was given. */
export function singleUse(specs: readonly string[]): string {
  if (specs.length > 1) {
    throw new MoloraError("bad_arguments", `--use is given ${specs.length} times`, {
      remedy: "Give one; a stack is written a=0.7,b=0.3.",
    });
  }
  return specs[0] ?? "base";
}
