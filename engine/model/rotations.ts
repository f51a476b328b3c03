// The table of rotations that RoPE turns q and k by.

import type { ModelConfig, RopeScaling } from "../../files/families/config.ts";

/** (cos, sin) of every position and frequency, [positions, headDim / 2, 2] f32. Angles are formed in f32, as PyTorch does. */
export function rotations(config: ModelConfig, positions: number): Float32Array<ArrayBuffer> {
  const half = config.headDim / 2;
  const frequencies = Float32Array.from({ length: half }, (_, i) =>
    scaleFrequency(config.ropeTheta ** (-i / half), config.ropeScaling),
  );
  const table = new Float32Array(positions * half * 2);
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(position * frequencies[i]!);
      table[(position * half + i) * 2] = Math.cos(angle);
      table[(position * half + i) * 2 + 1] = Math.sin(angle);
    }
  }
  return table;
}

function scaleFrequency(frequency: number, scaling: RopeScaling): number {
  switch (scaling.type) {
    case "none":
      return frequency;
    case "linear":
      return frequency / scaling.factor;
    case "llama3": {
      // Long waves are slowed by the factor, short ones kept, those between blended (Llama 3.1 model card).
      const wave = (2 * Math.PI) / frequency;
      const { factor, lowFreqFactor: low, highFreqFactor: high, originalContext: context } = scaling;
      if (wave > context / low) return frequency / factor;
      if (wave < context / high) return frequency;
      const smooth = (context / wave - low) / (high - low);
      return ((1 - smooth) * frequency) / factor + smooth * frequency;
    }
  }
}
