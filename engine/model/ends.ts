// The two ends of the forward pass as launches: ids to the residual, and the last layer's output to picked tokens.
// It knows nothing of the layers between.

import { embed, embedGrid } from "../../shaders/embed.ts";
import { finalNorm, finalNormGrid } from "../../shaders/final_norm.ts";
import { linearGrid, linearPipeline, linearTile } from "../../shaders/linear.ts";
import { loraFragment } from "../../shaders/lora_form.ts";
import { sample, sampleGrid } from "../../shaders/sample.ts";
import { trace, traceGrid } from "../../shaders/trace.ts";
import { launch } from "../gpu/program.ts";
import type { Launches, Stage } from "./stage.ts";

export async function embedLaunches(stage: Stage): Promise<Launches> {
  const { weights, inputs, workspace } = stage.parts;
  const { format, cols, shards } = weights.embedding;
  return Promise.all(
    shards.map(({ quants, scales, firstRow, rows }) =>
      stage.launch(embed({ format, cols, firstRow, rows }), embedGrid, {
        step: inputs.step,
        quants,
        scales,
        tokens: inputs.tokens,
        sequences: inputs.sequences,
        sampled: workspace.sampled,
        residual: workspace.residual,
        ids: workspace.ids,
      }),
    ),
  );
}

/** From the last layer to a token for every wanted row, and the routing of those rows. */
export async function headLaunches(stage: Stage): Promise<Launches> {
  const { config, capacity, weights, inputs, workspace } = stage.parts;
  const { numLayers, hiddenSize, vocabSize } = config;
  const { format, rows, cols, shards } = weights.head;
  const activations = stage.formFor(weights.head);
  const facts = {
    hidden: hiddenSize,
    eps: config.normEps,
    lora: loraFragment(stage.kind.lora, stage.loraShape("down")),
  };
  const norm = await stage.launch(finalNorm({ ...facts, activations }), finalNormGrid, {
    step: inputs.step,
    logit_rows: inputs.logitRows,
    residual: workspace.residual,
    output: workspace.output,
    weight: weights.finalNorm,
    ...workspace.head,
    ...stage.loraViews(numLayers - 1),
  });
  const tile = linearTile(stage.gpu.body, format, stage.kind.rows);
  const logits = shards.map(async ({ quants, scales, ...shard }) => {
    const facts = { format, rows, cols, shard, activations, tile, per: "rows" } as const;
    const { x, xq, xs } = workspace.head;
    const views = { step: inputs.step, quants, scales, x: activations === "q8" ? xq : x, xs, y: workspace.logits };
    return launch(stage.gpu, await linearPipeline(stage.gpu, facts), views, linearGrid(stage.gpu, facts));
  });
  const { counts, masks, sampled, results, tables } = workspace;
  const picked = await stage.launch(sample({ vocab: vocabSize }), sampleGrid, {
    rows: inputs.logitRows,
    logits: workspace.logits,
    counts,
    masks,
    sampled,
    results,
  });
  const launches = [norm, ...(await Promise.all(logits)), picked];
  if (!stage.kind.routed) return launches;
  const traced = { layers: numLayers, maxTokens: capacity.tokens, entries: capacity.entries };
  const views = { rows: inputs.logitRows, table: tables.whole, trace: workspace.trace };
  return [...launches, await stage.launch(trace(traced), traceGrid, views)];
}
