// The folder that a training writes to: the PEFT adapter at the end, a checkpoint where it was interrupted.

import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { writePeftAdapter } from "../../files/lora/peft_write.ts";
import { FileSource } from "../../node/files.ts";
import { MoloraError } from "../../proto/errors.ts";
import { readCheckpoint, type TrainingState, writeCheckpoint } from "../../training/checkpoint.ts";
import { IMPORTANCE_FILE, type Importance, writeImportance } from "../../training/importance.ts";
import { writeWhole } from "../whole_file.ts";

const CHECKPOINT = "checkpoint.safetensors";
const SETTINGS = "checkpoint.json";
const LOG = "training.json";

/** The settings that a resumed training must share. */
export type Settings = Record<string, unknown>;

export class AdapterFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** @throws MoloraError `bad_arguments` where the folder already holds files that this run would overwrite. */
  checkFree(): void {
    const found = ["adapter_model.safetensors", CHECKPOINT].find((name) => existsSync(join(this.path, name)));
    if (found === undefined) return;
    throw new MoloraError("bad_arguments", `${this.path} already has ${found}`, {
      remedy: "Choose another --out, or go on with an interrupted training by --resume.",
    });
  }

  /**
   * The state in which a training was interrupted.
   *
   * @throws MoloraError `file_not_found` where there is none, `bad_arguments` where the settings differ.
   */
  async resume(settings: Settings, like: TrainingState): Promise<TrainingState> {
    const source = await FileSource.open(join(this.path, CHECKPOINT));
    if (source === undefined) {
      throw new MoloraError("file_not_found", `${this.path} has no ${CHECKPOINT}`, {
        remedy: "Start anew without --resume.",
      });
    }
    const saved = JSON.parse(await readFile(join(this.path, SETTINGS), "utf8")) as Settings;
    for (const [name, value] of Object.entries(settings)) {
      if (JSON.stringify(saved[name]) === JSON.stringify(value)) continue;
      const was = JSON.stringify(saved[name]);
      throw new MoloraError("bad_arguments", `the training in ${this.path} was begun with ${name} ${was}`, {
        remedy: `Resume with the same settings; now ${name} is ${JSON.stringify(value)}.`,
      });
    }
    return readCheckpoint(source, like);
  }

  async saveCheckpoint(settings: Settings, state: TrainingState): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await writeWhole(join(this.path, SETTINGS), `${JSON.stringify(settings, undefined, 2)}\n`);
    await writeWhole(join(this.path, CHECKPOINT), writeCheckpoint(state));
  }

  async saveImportance(importance: Importance): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await writeWhole(join(this.path, IMPORTANCE_FILE), writeImportance(importance));
  }

  /** Writes the PEFT folder and the log, and removes the checkpoint. */
  async saveAdapter(layers: Adapter["layers"], base: ModelConfig, baseModel: string, log: unknown): Promise<void> {
    await mkdir(this.path, { recursive: true });
    const { config, safetensors } = writePeftAdapter({ layers }, base, { baseModel });
    await writeWhole(join(this.path, "adapter_model.safetensors"), safetensors);
    await writeWhole(join(this.path, "adapter_config.json"), config);
    await writeWhole(join(this.path, LOG), `${JSON.stringify(log, undefined, 2)}\n`);
    await rm(join(this.path, CHECKPOINT), { force: true });
    await rm(join(this.path, SETTINGS), { force: true });
  }
}
