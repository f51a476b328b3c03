// RoPE's table: (cos, sin) of every position and frequency, frequencies stretched as the model's config says.

import type { LongScaling, ModelConfig, RopeScaling, YarnScaling } from "../../files/families/config.ts";

/** usual: by `ropeTheta` and its scaling; local: by `localRopeTheta`; none: by no angle. */
export type RotationKind = "usual" | "local" | "none";

type RopeConfig = Pick<ModelConfig, "headDim" | "ropeTheta" | "ropeScaling" | "rotaryDim">;

/**
 * (cos, sin) of positions 0 to `positions` − 1 and every frequency, [positions, rotaryDim / 2, 2] f32: those of one sequence
 * of that many tokens. Angles are formed in f32, as PyTorch does.
 */
export function rotations(config: RopeConfig, positions: number): Float32Array<ArrayBuffer> {
  const { frequencies, magnitude } = ropeFrequencies(config, positions);
  const half = frequencies.length;
  const table = new Float32Array(positions * half * 2);
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(position * frequencies[i]!);
      table[(position * half + i) * 2] = Math.cos(angle) * magnitude;
      table[(position * half + i) * 2 + 1] = Math.sin(angle) * magnitude;
    }
  }
  return table;
}

/** The same for a layer with a window of a model that has a second base there. */
export function localRotations(config: RopeConfig & { localRopeTheta: number }, positions: number) {
  return rotations({ ...config, ropeTheta: config.localRopeTheta, ropeScaling: { type: "none" } }, positions);
}

/** The same for layers without RoPE: no angle anywhere. */
export function noRotations(config: RopeConfig, positions: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: positions * (config.rotaryDim ?? config.headDim) }, (_, i) => 1 - (i & 1));
}

/** By layer, which of three tables it turns by. */
export function rotationKinds({ numLayers, windows, unrotated, localRopeTheta }: ModelConfig): RotationKind[] {
  return Array.from({ length: numLayers }, (_, layer) => {
    if (unrotated?.includes(layer)) return "none";
    return localRopeTheta !== undefined && (windows?.[layer] ?? 0) > 0 ? "local" : "usual";
  });
}

/**
 * LongRoPE turns all of a sequence by other frequencies once it has more than `within` tokens. A table's rows are those of the
 * longer sequences, and from row `at` on those of the others.
 */
export interface ShortTurns {
  within: number;
  at: number;
}

/** Undefined where sequences of up to `positions` tokens are turned alike. */
export function shortTurns(
  { ropeScaling }: Pick<RopeConfig, "ropeScaling">,
  positions: number,
): ShortTurns | undefined {
  if (ropeScaling.type !== "longrope" || positions <= ropeScaling.originalContext) return undefined;
  return { within: Math.floor(ropeScaling.originalContext), at: positions };
}

/** The row of its table that position 0 of a sequence of `length` tokens is turned by; the others follow. */
export function firstTurn(short: ShortTurns | undefined, length: number): number {
  return short !== undefined && length <= short.within ? short.at : 0;
}

/** One of the three for sequences of up to `positions` tokens, [rows, rotaryDim / 2, 2] f32. */
export function rotationTable(config: ModelConfig, kind: RotationKind, positions: number): Float32Array<ArrayBuffer> {
  const short = shortTurns(config, positions);
  const tables = [positions, ...(short ? [short.within] : [])].map((length) => turnsOf(config, kind, length));
  const whole = new Float32Array(tables.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const table of tables) {
    whole.set(table, at);
    at += table.length;
  }
  return whole;
}

function turnsOf(config: ModelConfig, kind: RotationKind, positions: number): Float32Array<ArrayBuffer> {
  const { localRopeTheta } = config;
  if (kind === "none") return noRotations(config, positions);
  if (kind === "local" && localRopeTheta !== undefined) return localRotations({ ...config, localRopeTheta }, positions);
  return rotations(config, positions);
}

/** Radians a position for each pair of a head's elements, and what cos and sin are multiplied by. */
export function ropeFrequencies(
  config: RopeConfig,
  positions: number,
): { frequencies: Float32Array; magnitude: number } {
  const { ropeTheta, ropeScaling } = config;
  const dim = config.rotaryDim ?? config.headDim;
  const plain = Array.from({ length: dim / 2 }, (_, i) => ropeTheta ** ((-2 * i) / dim));
  const frequencies = Float32Array.from(stretched(plain, ropeTheta, ropeScaling, positions));
  const magnitude = "attentionFactor" in ropeScaling ? ropeScaling.attentionFactor : 1;
  return { frequencies, magnitude };
}

function stretched(
  plain: readonly number[],
  theta: number,
  scaling: RopeScaling,
  positions: number,
): readonly number[] {
  switch (scaling.type) {
    case "none":
      return plain;
    case "linear":
      return plain.map((frequency) => frequency / scaling.factor);
    case "factors":
      return plain.map((frequency, i) => frequency / scaling.factors[i]!);
    case "longrope":
      return long(plain, scaling, positions);
    case "yarn":
      return yarn(plain, theta, scaling);
    case "llama3":
      return plain.map((frequency) => llama3(frequency, scaling));
  }
}

function long(plain: readonly number[], scaling: LongScaling, positions: number): number[] {
  const factors = positions > scaling.originalContext ? scaling.longFactors : scaling.shortFactors;
  return plain.map((frequency, i) => frequency / factors[i]!);
}

/** Long waves are slowed by the factor, short ones kept, those between blended (Llama 3.1 model card). */
function llama3(frequency: number, scaling: Extract<RopeScaling, { type: "llama3" }>): number {
  const wave = (2 * Math.PI) / frequency;
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalContext: context } = scaling;
  if (wave > context / low) return frequency / factor;
  if (wave < context / high) return frequency;
  const smooth = (context / wave - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/** Between the frequency that turns `betaFast` times within the original context and the one that turns `betaSlow` times. */
function yarn(plain: readonly number[], theta: number, scaling: YarnScaling): number[] {
  const { factor, originalContext, betaFast, betaSlow, truncate } = scaling;
  const dim = plain.length * 2;
  const at = (turns: number) => (dim * Math.log(originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const first = Math.max(0, truncate ? Math.floor(at(betaFast)) : at(betaFast));
  const last = Math.min(dim - 1, truncate ? Math.ceil(at(betaSlow)) : at(betaSlow));
  const width = first === last ? 0.001 : last - first;
  return plain.map((frequency, i) => {
    const slowed = Math.min(1, Math.max(0, (i - first) / width));
    return (frequency / factor) * slowed + frequency * (1 - slowed);
  });
}
