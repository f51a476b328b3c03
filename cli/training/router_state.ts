// The state of a router's training that its checkpoints keep beside the tensors.

import { MoloraError } from "../../proto/errors.ts";
import type { TrainingCurve } from "../../training/evaluation/report.ts";
import { difference } from "../../training/router/checkpoint.ts";
import type { Checkpoint, CheckpointFiles } from "./checkpoint_files.ts";

export interface RunState {
  step: number;
  tokens: number;
  curve: TrainingCurve;
  /** The settings that a resumed run must have in common with this one. */
  settings: Record<string, unknown>;
}

/**
 * The last checkpoint.
 *
 * @throws MoloraError `bad_arguments` where there is none, or where it was made with other settings.
 */
export async function findCheckpoint(
  checkpoints: CheckpointFiles<RunState>,
  settings: Record<string, unknown>,
): Promise<Checkpoint<RunState>> {
  const found = await checkpoints.read();
  if (found === undefined) {
    throw new MoloraError("bad_arguments", "--resume: --out holds no checkpoint", {
      remedy: "Start without --resume.",
    });
  }
  const { state } = found;
  const differs = difference(state.settings, JSON.parse(JSON.stringify(settings)));
  if (differs !== undefined) {
    throw new MoloraError("bad_arguments", `--resume: the checkpoint was made with another ${differs}`, {
      remedy: "Give the same flags and files as before, or start without --resume.",
      details: { checkpoint: state.settings[differs], given: settings[differs] },
    });
  }
  return found;
}
