// How much each weight of an adapter matters to a task, as a file beside the adapter: read by whoever trains after it.

import type { ByteSource } from "../files/source.ts";
import { readFloats } from "../files/weights/floats.ts";
import { readSafetensors } from "../files/weights/safetensors/safetensors.ts";
import { writeSafetensors } from "../files/weights/safetensors/safetensors_write.ts";
import { MoloraError } from "../proto/errors.ts";

export const IMPORTANCE_FILE = "importance.safetensors";

/** By the names and in the layout of the parameters that were trained. */
export type Importance = ReadonlyMap<string, Float32Array>;

export function writeImportance(importance: Importance): Uint8Array {
  return writeSafetensors([...importance].map(([name, data]) => ({ name, shape: [data.length], data })));
}

/** @throws MoloraError what reading safetensors throws */
export async function readImportance(source: ByteSource): Promise<Importance> {
  const { tensors } = await readSafetensors(source);
  const read = new Map<string, Float32Array>();
  for (const [name, tensor] of tensors) read.set(name, await readFloats(tensor));
  return read;
}

/** @throws MoloraError `data_invalid` where it is not of parameters named and sized as `like` */
export function checkImportance(importance: Importance, like: ReadonlyMap<string, Float32Array>): void {
  for (const [name, { length }] of like) {
    const values = importance.get(name);
    if (values?.length === length && !values.some((value) => !(value >= 0))) continue;
    throw new MoloraError("data_invalid", `${IMPORTANCE_FILE}: ${name} is not that of the adapter beside it`, {
      remedy: "Train that adapter again with --importance, or take the file away: every weight is held alike then.",
      details: { tensor: name },
    });
  }
}

/** A task's own importance, scaled to a mean of 1, and on top of it that of the tasks before. */
export function addedImportance(own: Importance, before: Importance | undefined): Importance {
  let [sum, count] = [0, 0];
  for (const values of own.values()) {
    for (const value of values) sum += value;
    count += values.length;
  }
  const scale = sum > 0 ? count / sum : 0;
  return new Map(
    [...own].map(([name, values]) => {
      const earlier = before?.get(name);
      return [name, values.map((value, i) => value * scale + (earlier?.[i] ?? 0))];
    }),
  );
}
