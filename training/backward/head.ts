// The launches behind the last layer: norm of the wanted rows, then logits, losses and gradients, a chunk of rows at a
// time, since a vocabulary wide by a batch long fits no binding.

import type { Launch } from "../../engine/device/device.ts";
import type { ModelWeights } from "../../engine/model/weights.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import { backwardNorm } from "../../shaders/training/backward_norm.ts";
import { crossEntropy } from "../../shaders/training/cross_entropy.ts";
import { residualNorm } from "../../shaders/training/residual_norm.ts";
import { type BatchCapacity, type BatchViews, rowCapacity } from "./batch.ts";
import type { Launcher } from "./launcher.ts";
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
  norm: Launch[];
  /** Losses of each chunk of rows. */
  losses: Launch[][];
  /** Their gradients for the normed rows, run right behind the losses of the same chunk. */
  backward: Launch[][];
  /** From the rows' gradients to d_residual, which must be zero before. */
  leave: Launch[];
}

export function headPasses(parts: HeadParts): HeadPasses {
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
      launcher.launch(
        residualNorm,
        { ...facts, form: "gather" },
        {
          rows: batch.rows,
          residual,
          output: spare,
          weight,
          sum: sink,
          x: headInput,
        },
      ),
    ],
    losses: chunks.map((first) => {
      const x = rowsOf(headInput, first, chunkRows, hiddenSize);
      return [
        ...chunkLauncher.linear(weights.head, x, logits, chunkRows),
        chunkLauncher.launch(
          crossEntropy,
          { vocab: vocabSize, rows: chunkRows },
          {
            rows: rowsOf(batch.rows, first, chunkRows, 4),
            logits,
            losses: rowsOf(losses, first, chunkRows, 1),
          },
        ),
      ];
    }),
    backward: chunks.map((first) =>
      chunkLauncher.backwardLinear(weights.head, logits, rowsOf(dHeadInput, first, chunkRows, hiddenSize)),
    ),
    leave: [
      launcher.launch(
        backwardNorm,
        { ...facts, gather: true },
        { rows: batch.rows, residual, weight, dx: dHeadInput, d_residual: dResidual },
      ),
    ],
  };
}
