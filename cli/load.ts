// Loads an engine as the flags say, with progress bars, and reads what a SPEC of --use means to it.

import { cacheProblem } from "../node/cache.ts";
import { Engine, type LoadOptions } from "../node/index.ts";
import type { Routing } from "../proto/api.ts";
import { MoloraError } from "../proto/errors.ts";
import type { FlagValues } from "./flags/arguments.ts";
import { checkNames, DEVICE_FLAGS, deviceOptions, MODEL_FLAGS, parseUse } from "./flags/common_flags.ts";
import { choice, integer, jsonObject, type NamedPath, namedPaths } from "./flags/flags.ts";
import { FetchBar } from "./terminal/fetch_bar.ts";
import type { Output } from "./terminal/output.ts";
import { formatBytes, Progress } from "./terminal/progress.ts";

/** The flags that say what to load and how much of the device to take for it. */
export const LOAD_FLAGS = {
  ...MODEL_FLAGS,
  recipe: namedPaths("name=FILE", "Load a recipe (recipe.json: adapters merged, stacked and routed) under a name"),
  ...DEVICE_FLAGS,
  activations: choice(
    ["auto", "f32", "q8"],
    "Between linear layers; q8: int8 where they meet quantised weights (auto: q8 on the CPU, f32 on a GPU)",
    "auto",
  ),
  kvDtype: choice(["f32", "f16"], "What keys and values are held in; f16: half the memory, rounded", "f32"),
  adapterDtype: choice(
    ["f32", "f16", "q8_0", "q4_0"],
    "What A and B of adapters are held in; the narrower, the more fit",
    "f32",
  ),
  context: integer("N", "Longest sequence, in tokens (default: the model's own, at most 8192)", { min: 1 }),
  extraVocabulary: integer("N", "Most tokens that an adapter may add to the base's vocabulary (default: 256)", {
    min: 0,
  }),
  poolBytes: integer("N", "Device bytes for KV and adapters together (default: 512 MiB on the CPU, else 2 GiB)", {
    min: 1,
  }),
};

/** For every command that has a conversation rendered. */
export const TEMPLATE_FLAGS = {
  chatTemplateKwargs: jsonObject("JSON", `Variables of the chat template: '{"enable_thinking": false}'`),
};

/** The same, as an engine takes them. */
export function templateOptions({ chatTemplateKwargs }: FlagValues<typeof TEMPLATE_FLAGS>): Partial<LoadOptions> {
  return chatTemplateKwargs === undefined ? {} : { chatTemplateKwargs };
}

/** Loads what the flags say; progress on stderr. */
export async function loadEngine(
  flags: FlagValues<typeof LOAD_FLAGS>,
  output: Output,
  more: Omit<Partial<LoadOptions>, keyof typeof LOAD_FLAGS> = {},
): Promise<Engine> {
  checkNames(flags.adapter, flags.mixture, flags.recipe);
  const model = flags.model ?? "nano";
  const options: LoadOptions = {
    model,
    adapters: byName(flags.adapter),
    mixtures: byName(flags.mixture),
    recipes: byName(flags.recipe),
    dtype: flags.dtype,
    kvDtype: flags.kvDtype,
    adapterDtype: flags.adapterDtype,
    ...deviceOptions(flags),
    ...(flags.activations === "auto" ? {} : { activations: flags.activations }),
    ...more,
    ...(flags.context === undefined ? {} : { contextLength: flags.context }),
    ...(flags.extraVocabulary === undefined ? {} : { extraVocabulary: flags.extraVocabulary }),
    ...(flags.poolBytes === undefined ? {} : { poolBytes: flags.poolBytes }),
  };
  const { stderr } = output.streams;
  const unwritable = cacheProblem();
  if (unwritable !== undefined) {
    output.note(
      `warning: ${unwritable}: shaders are compiled anew at every start. Set MOLORA_CACHE to another folder.`,
    );
  }
  const fetching = new FetchBar(stderr);
  const loading = new Progress(`loading ${model}`, formatBytes, stderr);
  const compiling = new Progress("compiling for the GPU", (kinds) => `${kinds} kinds of step`, stderr);
  try {
    return await Engine.load({
      ...options,
      onFetch: fetching.update,
      onProgress: (done, total) => loading.update(done, total),
      onCompile: (done, total) => compiling.update(done, total),
      onDeviceLost: ({ message }) => output.note(`warning: ${message}; what ran is computed again on another device`),
    });
  } finally {
    fetching.finish();
    loading.finish();
    compiling.finish();
  }
}

function byName(pairs: readonly NamedPath[]): Record<string, string> {
  return Object.fromEntries(pairs.map(({ name, path }) => [name, path]));
}

/**
 * What a SPEC means to this engine.
 *
 * @throws MoloraError `bad_arguments` for a name that is not loaded.
 */
export function routingOf(engine: Engine, spec: string): Routing {
  return parseUse(spec, {
    adapters: engine.listAdapters().map(({ name }) => name),
    mixtures: engine.listMixtures().map(({ name }) => name),
  });
}

/**
 * The SPEC of a command that takes one; `base` where none was given.
 *
 * @throws MoloraError `bad_arguments` for more than one.
 */
export function singleUse(specs: readonly string[]): string {
  if (specs.length > 1) {
    throw new MoloraError("bad_arguments", `--use is given ${specs.length} times`, {
      remedy: "Give one; a stack is written a=0.7,b=0.3.",
    });
  }
  return specs[0] ?? "base";
}
