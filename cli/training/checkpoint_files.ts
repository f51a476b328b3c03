// Keeps a training run's checkpoint on disk: its state and the tensors that belong to it, replaced together.

import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MoloraError } from "../../proto/errors.ts";

export interface Checkpoint<State> {
  state: State;
  tensors: Uint8Array;
}

const STATE_FILE = "checkpoint.json";

export class CheckpointFiles<State extends { step: number }> {
  readonly #folder: string;

  constructor(out: string) {
    this.#folder = join(out, "checkpoint");
  }

  /** The state is written last and names its tensors, so that an interruption at any point leaves a whole checkpoint. */
  async write(state: State, tensors: Uint8Array): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const file = `step-${state.step}.safetensors`;
    await writeFile(join(this.#folder, file), tensors);
    const path = join(this.#folder, STATE_FILE);
    await writeFile(`${path}.new`, JSON.stringify({ file, state }));
    await rename(`${path}.new`, path);
    for (const name of await readdir(this.#folder)) {
      if (name !== file && name.endsWith(".safetensors")) await rm(join(this.#folder, name));
    }
  }

  /**
   * The last checkpoint; undefined where there is none.
   *
   * @throws MoloraError `data_invalid` for one that cannot be read.
   */
  async read(): Promise<Checkpoint<State> | undefined> {
    const path = join(this.#folder, STATE_FILE);
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch {
      return undefined;
    }
    try {
      const { file, state } = JSON.parse(text) as { file: string; state: State };
      return { state, tensors: await readFile(join(this.#folder, file)) };
    } catch (cause) {
      throw new MoloraError("data_invalid", `${path} cannot be read`, {
        remedy: "Start the training again without --resume.",
        cause,
      });
    }
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
