// The launches behind the last layer: norm of the wanted rows, then logits, losses and gradients, a chunk of rows at a
// time, since a vocabulary wide by a batch long fits no binding. It knows nothing of the layers.

import type { ModelWeights } from "../../engine/model/weights.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import { backwardNorm } from "../../shaders/training/backward_norm.ts";
import { crossEntropy, crossEntropyGrid } from "../../shaders/training/cross_entropy.ts";
import { normGrid, residualNorm } from "../../shaders/training/residual_norm.ts";
import { type BatchCapacity, type BatchViews, rowCapacity } from "./batch.ts";
import type { Launcher, Launches } from "./launcher.ts";
import { rowsOf, type TrainingWorkspace } from "./workspace.ts";

export interface HeadParts {
  /** Over the batch's step. */
  launcher: Launcher;
  /** Over the chunk's step. */
  chunkLauncher: Launcher;
  config: ModelConfig;
  weights: ModelWeights;
  capacity: BatchCapacity;
  batch: BatchViews;
  workspace: TrainingWorkspace;
}

export interface HeadPasses {
  /** The last residual's wanted rows, normed. */
  norm: Launches;
  /** Losses of each chunk of rows. */
  losses: Launches[];
  /** Their gradients for the normed rows, run right behind the losses of the same chunk. */
  backward: Launches[];
  /** From the rows' gradients to d_residual, which must be zero before. */
  leave: Launches;
}

export async function headPasses(parts: HeadParts): Promise<HeadPasses> {
  const { launcher, chunkLauncher, config, weights, capacity, batch, workspace } = parts;
  const { hiddenSize, vocabSize } = config;
  const { chunkRows } = capacity;
  const { headInput, dHeadInput, logits, losses, dResidual } = workspace;
  const facts = { hidden: hiddenSize, eps: config.normEps };
  const residual = workspace.residuals.at(-1)!;
  const { spare, sink } = launcher.fillers;
  const chunks = Array.from({ length: rowCapacity(capacity) / chunkRows }, (_, i) => i * chunkRows);
  const weight = weights.finalNorm;
  return {
    norm: [
      await launcher.launch(residualNorm(facts, "gather"), normGrid(true), {
        rows: batch.rows,
        residual,
        output: spare,
        weight,
        sum: sink,
        x: headInput,
      }),
    ],
    losses: await Promise.all(
      chunks.map(async (first) => {
        const x = rowsOf(headInput, first, chunkRows, hiddenSize);
        return [
          ...(await chunkLauncher.linear(weights.head, x, logits, chunkRows)),
          await chunkLauncher.launch(crossEntropy(vocabSize), crossEntropyGrid(chunkRows), {
            rows: rowsOf(batch.rows, first, chunkRows, 4),
            logits,
            losses: rowsOf(losses, first, chunkRows, 1),
          }),
        ];
      }),
    ),
    backward: await Promise.all(
      chunks.map((first) =>
        chunkLauncher.backwardLinear(weights.head, logits, rowsOf(dHeadInput, first, chunkRows, hiddenSize)),
      ),
    ),
    leave: [
      await launcher.launch(backwardNorm(facts, true), normGrid(true), {
        rows: batch.rows,
        residual,
        weight,
        dx: dHeadInput,
        d_residual: dResidual,
      }),
    ],
  };
}
