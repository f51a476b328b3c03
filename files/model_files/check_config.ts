// The checks every model config passes, whichever file it came from.

import { MoloraError } from "../../proto/errors.ts";
import type { ModelConfig } from "../families/config.ts";
import { type Facts, SERVED } from "../families/facts.ts";
import { FAMILIES } from "../families/registry.ts";

/** Beyond any model there is, and small enough that sizes computed from them stay exact. */
const LIMITS = {
  hiddenSize: 1 << 17,
  numLayers: 1 << 12,
  numHeads: 1 << 12,
  numKvHeads: 1 << 12,
  headDim: 1 << 12,
  intermediateSize: 1 << 20,
  vocabSize: 1 << 22,
  contextLength: 1 << 26,
} as const satisfies Partial<Record<keyof ModelConfig, number>>;

/** Experts of all layers: names of as many tensors are looked for. */
const MOST_EXPERTS = 1 << 16;

/** Checks that sizes are whole and of this world. @throws MoloraError `config_invalid` */
export function checkSizes(file: string, config: Pick<ModelConfig, keyof typeof LIMITS>): void {
  for (const [field, limit] of Object.entries(LIMITS)) {
    const value = config[field as keyof typeof LIMITS];
    if (!Number.isInteger(value) || value < 1 || value > limit) {
      throw configInvalid(file, `${field} is ${value}, not a whole number from 1 to ${limit}`);
    }
  }
}

/** Checks sizes, how they divide each other and what depends on them; gives `config` back. @throws MoloraError `config_invalid` */
export function checkConfig(file: string, config: ModelConfig): ModelConfig {
  checkSizes(file, config);
  const { numHeads, numKvHeads, headDim, vocabSize } = config;
  if (numHeads % numKvHeads !== 0) throw configInvalid(file, `${numHeads} heads do not share ${numKvHeads} KV heads`);
  if (headDim % 2 !== 0) throw configInvalid(file, `head size ${headDim} is odd; RoPE rotates pairs`);
  checkRope(file, config);
  checkExperts(file, config);
  if (!(config.normEps > 0 && config.normEps < 1)) throw configInvalid(file, `normEps is ${config.normEps}`);
  if (!(config.ropeTheta > 0 && Number.isFinite(config.ropeTheta))) {
    throw configInvalid(file, `ropeTheta is ${config.ropeTheta}`);
  }
  for (const id of [...config.eosIds, config.bosId ?? 0]) {
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
      throw configInvalid(file, `token id ${id} is outside the vocabulary of ${vocabSize}`);
    }
  }
  return config;
}

function checkExperts(file: string, { experts, numLayers }: ModelConfig): void {
  if (experts === undefined) return;
  const { count, used, intermediateSize } = experts;
  const most = Math.floor(MOST_EXPERTS / numLayers);
  if (!Number.isInteger(count) || count < 1 || count > most) {
    throw configInvalid(file, `a layer has ${count} experts, not a whole number from 1 to ${most}`);
  }
  if (!Number.isInteger(used) || used < 1 || used > count) {
    throw configInvalid(file, `a token takes ${used} of ${count} experts`);
  }
  if (!Number.isInteger(intermediateSize) || intermediateSize < 1 || intermediateSize > LIMITS.intermediateSize) {
    throw configInvalid(file, `an expert's intermediateSize is ${intermediateSize}`);
  }
}

function checkRope(file: string, { headDim, rotaryDim = headDim, ropeScaling }: ModelConfig): void {
  if (!Number.isInteger(rotaryDim) || rotaryDim % 2 !== 0 || rotaryDim < 2 || rotaryDim > headDim) {
    throw configInvalid(file, `RoPE rotates ${rotaryDim} of ${headDim} elements of a head`);
  }
  const lists =
    ropeScaling.type === "longrope"
      ? [ropeScaling.shortFactors, ropeScaling.longFactors]
      : ropeScaling.type === "factors"
        ? [ropeScaling.factors]
        : [];
  for (const list of lists) {
    if (list.length !== rotaryDim / 2 || !list.every((factor) => factor > 0 && Number.isFinite(factor))) {
      throw configInvalid(file, `RoPE's factors are no ${rotaryDim / 2} positive numbers`);
    }
  }
}

export function configInvalid(file: string, reason: string): MoloraError {
  return new MoloraError("config_invalid", `${file}: ${reason}`, {
    remedy: "Use the config that was published with the weights.",
  });
}

/** Classes whose own facts the kernels compute. */
function served(): string[] {
  const computed = FAMILIES.filter(({ facts }) =>
    Object.keys(facts?.({ hiddenSize: 1 }) ?? {}).every((fact) => SERVED.has(fact as keyof Facts)),
  );
  return computed.flatMap(({ architectures }) => architectures);
}

/** The error for a model that computes what no kernel does, in the named way. */
export function unsupportedArchitecture(file: string, what: string): MoloraError {
  return new MoloraError("unsupported_architecture", `${file}: ${what} is not supported`, {
    remedy: `Use a model of one of these architectures, without what was named: ${served().join(", ")}.`,
    details: { what },
  });
}
