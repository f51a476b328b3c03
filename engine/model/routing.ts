// How the tokens of a step come to their adapters, as launches: gate, route, and for many tokens the sort into segments.
// It knows nothing of what the adapters then compute.

import { gate, gateGrid } from "../../shaders/gate.ts";
import { route, routeGrid } from "../../shaders/route.ts";
import { segments, segmentsGrid } from "../../shaders/segments.ts";
import type { StepShape } from "../../shaders/step.ts";
import type { Launch } from "../gpu/program.ts";
import type { Launches, Stage } from "./stage.ts";

type Launching = Promise<Launch<StepShape>>;

/** A layer's table by its routers. */
export async function routingLaunches(stage: Stage, i: number): Promise<Launches> {
  return [await gateLaunch(stage, i), await routeLaunch(stage, i), ...(await segmentLaunches(stage, i))];
}

/** One table for all layers, of fixed entries alone. */
export async function fixedLaunches(stage: Stage): Promise<Launches> {
  return [await routeLaunch(stage, 0), ...(await segmentLaunches(stage, 0))];
}

function gateLaunch(stage: Stage, i: number): Launching {
  const { config, capacity, inputs, workspace, pool } = stage.parts;
  const tokens = stage.kind.tokens === 1 ? 1 : 4;
  const facts = { hidden: config.hiddenSize, gateWidth: capacity.gateWidth, body: stage.gpu.body, tokens } as const;
  return stage.launch(gate(facts), gateGrid(facts), {
    step: inputs.step,
    tokens: inputs.tokens,
    sequences: inputs.sequences,
    x: workspace.input.x,
    pool: pool[i]!,
    gate: workspace.gate,
  });
}

function routeLaunch(stage: Stage, i: number): Launching {
  const { capacity, inputs, workspace, pool } = stage.parts;
  return stage.launch(route(capacity), routeGrid, {
    sequences: inputs.sequences,
    fixed_entries: inputs.fixed,
    ids: workspace.ids,
    gate: workspace.gate,
    pool: pool[i]!,
    evidence: workspace.evidence,
    belief: workspace.belief[i]!,
    blocks: inputs.blocks,
    table: workspace.tables.layers[i]!,
  });
}

/** Sorts a table that is filled already, where the step's form wants it sorted. */
export async function segmentLaunches(stage: Stage, i: number): Promise<Launches> {
  if (stage.kind.lora !== "segmented") return [];
  const { capacity, inputs, workspace } = stage.parts;
  const build = segments({ entries: capacity.entries, sort: capacity.tokens * capacity.entries });
  const views = {
    step: inputs.step,
    table: workspace.tables.layers[i]!,
    order: workspace.order,
    tiles: workspace.tiles,
    tile_count: workspace.tileCount,
  };
  return [await stage.launch(build, segmentsGrid, views)];
}
