// Writes the state of a training as the bytes of one safetensors file, and reads it back.
// The settings of the training are not in it: whoever writes the file keeps them beside it.

import type { ByteSource } from "../files/source.ts";
import { readFloats } from "../files/weights/floats.ts";
import { readSafetensors } from "../files/weights/safetensors/safetensors.ts";
import { type WrittenTensor, writeSafetensors } from "../files/weights/safetensors/safetensors_write.ts";
import { MoloraError } from "../proto/errors.ts";
import type { AdamWState } from "./optimizer/adamw.ts";

/** Values and the optimizer's moments, all of the same tensors. */
export interface TrainingState extends AdamWState {
  values: Map<string, Float32Array>;
}

const PARTS = ["values", "means", "squares"] as const;
const STEP = "step";

export function writeCheckpoint(state: TrainingState): Uint8Array {
  const tensors = PARTS.flatMap((part) =>
    [...state[part]].map(([name, data]): WrittenTensor => ({ name: `${part}/${name}`, shape: [data.length], data })),
  );
  return writeSafetensors([...tensors, { name: STEP, shape: [1], data: Float32Array.of(state.step) }]);
}

/**
 * Reads a state whose tensors are those of `like`, by name and size.
 *
 * @throws MoloraError `data_invalid` where it is of another training, and what reading safetensors throws.
 */
export async function readCheckpoint(source: ByteSource, like: TrainingState): Promise<TrainingState> {
  const file = await readSafetensors(source);
  const read = async (name: string, length: number): Promise<Float32Array> => {
    const tensor = file.tensors.get(name);
    const values = tensor && (await readFloats(tensor));
    if (values?.length === length) return values;
    throw new MoloraError("data_invalid", `${source.name}: ${name} is not that of this training`, {
      remedy: "Resume with the model, rank, modules and layers it was begun with, or begin anew in another folder.",
    });
  };
  const state: TrainingState = {
    step: (await read(STEP, 1))[0],
    values: new Map(),
    means: new Map(),
    squares: new Map(),
  };
  for (const part of PARTS) {
    for (const [name, { length }] of like[part]) state[part].set(name, await read(`${part}/${name}`, length));
  }
  return state;
}
