// A vector stored less 1, as Gemma's norms are in safetensors: 1 added in float32, as transformers does.

import { readFloats } from "./floats.ts";
import type { StoredType } from "./stored/formats.ts";
import type { StoredTensor } from "./tensor.ts";

export class PlusOne implements StoredTensor {
  readonly name: string;
  readonly type: StoredType = "f32";
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly #stored: StoredTensor;

  constructor(stored: StoredTensor) {
    this.name = stored.name;
    this.shape = stored.shape;
    this.bytes = stored.shape.reduce((product, size) => product * size, 4);
    this.#stored = stored;
  }

  async readRows(from: number, to: number): Promise<Uint8Array> {
    const values = await readFloats(this.#stored);
    const row = values.length / (this.shape.length < 2 ? 1 : this.shape[0]);
    return new Uint8Array(values.map((value) => value + 1).buffer).subarray(4 * row * from, 4 * row * to);
  }
}
