// The plan of a router's training: experts, data, the first gates, and the number of steps.

import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import type { ModelFiles } from "../../files/model_files/model_files.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { GateRule, Mixture, MlpGate } from "../../router/mixture.ts";
import { Composer } from "../../training/data/compose.ts";
import type { Sources } from "../../training/data/sources.ts";
import type { FrozenModel } from "../../training/frozen/frozen_model.ts";
import { extendGates } from "../../training/router/extend.ts";
import { distillObjective, domainObjective, type Objective } from "../../training/router/objective.ts";
import { type GateShape, initialGates } from "../../training/router/parameters.ts";
import type { FlagValues } from "../flags/arguments.ts";
import type { ROUTER_FLAGS } from "../flags/router_flags.ts";
import type { WrittenExpert } from "./mixture_folder.ts";

type Flags = FlagValues<typeof ROUTER_FLAGS>;

export interface Start {
  gates: MlpGate[];
  shape: GateShape;
  rule: GateRule;
  /** Rows [first, end) of fc2 that may change; undefined where everything may. */
  rows: readonly [first: number, end: number] | undefined;
}

export interface RouterPlan extends Start {
  files: ModelFiles;
  tokenizer: Tokenizer;
  experts: WrittenExpert[];
  adapters: Adapter[];
  sources: Sources;
  valid: Sources;
}

/** Fresh gates, or those of the mixture that is extended or refined, with rows for new experts. */
export function startOf(config: ModelConfig, extended: Mixture | undefined, experts: number, flags: Flags): Start {
  const { hiddenSize: inputs, numLayers: layers } = config;
  const { hidden, memoryless, seed } = flags;
  if (extended === undefined) {
    if (hidden % 4 !== 0) throw new MoloraError("bad_arguments", `--hidden ${hidden} is no multiple of 4`);
    const shape = { layers, inputs, hidden, experts, belief: !memoryless };
    const rule = { topK: 1, gate: "unit", temperature: 1 } as const;
    return { gates: initialGates(shape, seed), shape, rule, rows: undefined };
  }
  const { router } = extended;
  if (router.type !== "mlp" || router.hiddenSize % 4 !== 0) {
    throw new MoloraError("bad_arguments", "the mixture's router is not one that train-router makes");
  }
  const old = extended.experts.length;
  const shape = { layers, inputs, hidden: router.hiddenSize, experts: old, belief: router.belief };
  const start = extendGates(router.layers, shape, experts - old, seed);
  const { topK, gate, temperature } = router;
  const rows = flags.train === "new" && experts > old ? ([old, experts] as const) : undefined;
  return { ...start, rule: { topK, gate, temperature }, rows };
}

export function makeObjective(
  { tokenizer, experts }: RouterPlan,
  sources: Sources,
  model: FrozenModel,
  flags: Flags,
  seed: number,
): Objective {
  const { length, mix, objective, window, tau, completions } = flags;
  const composer = new Composer(tokenizer, sources, { length, mix, seed });
  const names = experts.map(({ name }) => name);
  if (objective === "distill") return distillObjective(composer, model, { experts: names, window, tau });
  return domainObjective(composer, { experts: names, completions });
}

/** Highest learning rate: end to end, a router that knows its experts is only refined. */
export function rateOf({ lr, objective }: Flags): number {
  return lr ?? (objective === "lm" ? 5e-4 : 2e-3);
}

const DEFAULT_STEPS = 400;
/** Texts whose mean length stands for that of all. */
const MEASURED = 64;

/**
 * Steps of the run. A number of tokens is turned into steps by the texts' mean length.
 *
 * @throws MoloraError `bad_arguments` where both are given.
 */
export function stepsOf(
  { tokenizer, sources }: RouterPlan,
  { steps, tokens, batch, length, mix, seed }: Flags,
): number {
  if (tokens === undefined) return steps ?? DEFAULT_STEPS;
  if (steps !== undefined) throw new MoloraError("bad_arguments", "--steps and --tokens are both given");
  const composer = new Composer(tokenizer, sources, { length, mix, seed });
  let measured = 0;
  for (let n = 0; n < MEASURED; n++) measured += composer.text(n).ids.length;
  return Math.max(1, Math.ceil(tokens / ((measured / MEASURED) * batch)));
}
