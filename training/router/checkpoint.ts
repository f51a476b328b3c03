// All that a router's training needs to go on as if it had not stopped: values, AdamW's moments, where it was.
// It knows nothing of folders: bytes and plain objects go in and out.

import { MemorySource } from "../../files/source.ts";
import { readFloats } from "../../files/weights/floats.ts";
import { readSafetensors } from "../../files/weights/safetensors/safetensors.ts";
import { writeSafetensors } from "../../files/weights/safetensors/safetensors_write.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { RouterTrainer } from "./trainer.ts";

const STATES = ["values", "means", "squares"] as const;

/** Tensors of the trainer as they are now, as a safetensors file. */
export async function saveTensors(trainer: RouterTrainer): Promise<Uint8Array> {
  const { means, squares } = await trainer.optimizer.state();
  const values = await trainer.gates.parameters.read();
  const states = { values, means, squares };
  return writeSafetensors(
    STATES.flatMap((state) =>
      [...states[state]].map(([name, data]) => ({ name: `${state}.${name}`, shape: [data.length], data })),
    ),
  );
}

/** Puts them back. Raises what reading a safetensors file raises, `tensor_missing`, `tensor_shape`. */
export async function restoreTensors(trainer: RouterTrainer, bytes: Uint8Array, step: number): Promise<void> {
  const source = await readSafetensors(new MemorySource("checkpoint", bytes));
  const current = await trainer.gates.parameters.read();
  const read = async (state: (typeof STATES)[number]) => {
    const tensors = new Map<string, Float32Array>();
    for (const [name, { length }] of current) {
      const tensor = source.tensors.get(`${state}.${name}`);
      if (tensor === undefined) throw new MoloraError("tensor_missing", `the checkpoint has no ${state}.${name}`);
      if (tensor.shape.join() !== String(length)) {
        throw new MoloraError("tensor_shape", `the checkpoint's ${state}.${name} has another shape`);
      }
      tensors.set(name, await readFloats(tensor));
    }
    return tensors;
  };
  trainer.gates.parameters.write(await read("values"));
  trainer.optimizer.restore({ step, means: await read("means"), squares: await read("squares") });
  trainer.publish();
}

/** Name of the first setting in which two runs differ, or undefined. */
export function difference(a: Record<string, unknown>, b: Record<string, unknown>): string | undefined {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.find((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
}
