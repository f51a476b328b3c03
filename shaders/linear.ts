// The linear kernel: which parts make it up for a weight format, an activation form and a kind of device. See linear.wgsl.
// It knows nothing of models; engine/model/linear_weights.ts brings weights into the formats named here.

import { type Body, type Gpu, sharesLoads } from "../engine/gpu/gpu.ts";
import type { BindingType, Constants, Kernel } from "../engine/gpu/kernel.ts";
import type { Pipeline } from "../engine/gpu/pipelines.ts";
import type { Grid } from "../engine/gpu/program.ts";
import type { ActivationForm } from "./activation_form.ts";
import { type LoraShape, loraConstants } from "./lora_form.ts";
import { type StepShape, shader } from "./step.ts";

/** How weights lie on the device; see parts/format_*.wgsl. q4 holds GGUF's q4_0 and q4_1. */
export type DeviceFormat = "f32" | "f16" | "q8_0" | "q4";

/** Columns must be a multiple of this. */
export const FORMAT_COLUMNS: Record<DeviceFormat, number> = { f32: 4, f16: 8, q8_0: 32, q4: 32 };

/** What one thread (rowPerThread) or one workgroup (workgroupPerRows) computes: rows of y times tokens. */
export interface Tile {
  rows: number;
  tokens: number;
}

export interface LinearFacts {
  format: DeviceFormat;
  /** Rows of the whole matrix: the row stride of y. */
  rows: number;
  cols: number;
  /** The rows that the bound weights hold, where one binding cannot hold them all. Default: all. */
  shard?: { firstRow: number; rows: number };
  activations: ActivationForm;
  /** Default: `linearTile` for one token. */
  tile?: Tile;
  /** LoRA rows computed by the same dispatch (few tokens; see parts/shrink_bindings.wgsl). */
  shrink?: LoraShape;
  /** What `y` has one row for: every token of the step (default) or every wanted row of logits. */
  per?: "tokens" | "rows";
}

const BINDINGS = {
  step: "uniform",
  quants: "read",
  scales: "read",
  x: "read",
  xs: "read",
  y: "read_write",
} as const satisfies Record<string, BindingType>;

const SHRINK_BINDINGS = {
  table: "read",
  adapters: "read",
  shrunk: "read_write",
  xf: "read",
} as const satisfies Record<string, BindingType>;

/** `scales`: read by q8_0 and q4; `xs`: by q8 activations. Any small buffer may stand in for one that is not read. */
export type LinearBinding = keyof typeof BINDINGS;
export type ShrinkBinding = keyof typeof SHRINK_BINDINGS;

/** Rows of A that one workgroup shrinks together on a hardware adapter. */
const SHRINK_ROWS = 4;
/** From here on, tiles in shared memory (gemm) beat reductions (gemv) on a hardware adapter. */
const GEMM_TOKENS = 16;

type Variant = "rowPerThread" | "gemv" | "gemm";

/** The compiled kernel. Throws RangeError where format, columns, activations and tile do not go together. */
export function linearPipeline(gpu: Gpu, facts: LinearFacts & { shrink?: never }): Promise<Pipeline<LinearBinding>>;
export function linearPipeline(gpu: Gpu, facts: LinearFacts): Promise<Pipeline<LinearBinding | ShrinkBinding>>;
export function linearPipeline(gpu: Gpu, facts: LinearFacts): Promise<Pipeline<LinearBinding | ShrinkBinding>> {
  checkFacts(facts);
  return gpu.pipelines.get(linearKernel(gpu, facts), linearConstants(gpu.body, facts));
}

/** Workgroups of a step. The extra ones for LoRA rows vanish in a step without entries. */
export function linearGrid(
  gpu: Gpu,
  facts: LinearFacts,
): (shape: Pick<StepShape, "tokens" | "rows" | "entries" | "maxRank4">) => Grid {
  const tile = tileOf(gpu.body, facts);
  const base = baseGroups(gpu.body, facts);
  const modules = facts.shrink?.rows.length ?? 0;
  const rowsAGroup = gpu.body === "rowPerThread" ? WORKGROUP[gpu.body] : SHRINK_ROWS;
  return ({ tokens, rows, entries, maxRank4 }) => {
    const blocks = Math.ceil((4 * maxRank4 * modules) / rowsAGroup);
    const count = facts.per === "rows" ? rows : tokens;
    return [base + blocks * entries * tile.tokens, Math.ceil(count / tile.tokens), 1];
  };
}

/** The tile that is fastest for a step of `tokens` tokens: on rowPerThread as perf/linear.ts measured it on lavapipe. */
export function linearTile(body: Body, format: DeviceFormat, tokens: number): Tile {
  if (body === "workgroupPerRows") {
    if (tokens >= GEMM_TOKENS) return { rows: 32, tokens: 32 };
    return { rows: 4, tokens: tokens === 1 ? 1 : tokens <= 4 ? 4 : 8 };
  }
  const rows = tokens >= MANY_TOKENS ? TILE_ROWS_MANY[format] : TILE_ROWS_FEW[format];
  return { rows, tokens: tokens >= 8 ? 8 : tokens >= 4 ? 4 : tokens >= 2 ? 2 : 1 };
}

/** Rows of a thread's tile, for few tokens and for many: the bigger the tile the fewer the loads, until registers run out. */
const TILE_ROWS_FEW: Record<DeviceFormat, number> = { f32: 2, f16: 4, q8_0: 2, q4: 4 };
const TILE_ROWS_MANY: Record<DeviceFormat, number> = { f32: 2, f16: 4, q8_0: 4, q4: 8 };
const MANY_TOKENS = 16;

/** Threads of a workgroup. */
const WORKGROUP: Record<Body, number> = { rowPerThread: 16, workgroupPerRows: 64 };

function variantOf(body: Body, tile: Tile): Variant {
  if (body === "rowPerThread") return body;
  return tile.tokens >= GEMM_TOKENS ? "gemm" : "gemv";
}

function tileOf(body: Body, { tile, format }: LinearFacts): Tile {
  return tile ?? linearTile(body, format, 1);
}

function baseGroups(body: Body, facts: LinearFacts): number {
  const tile = tileOf(body, facts);
  const rowsAGroup = body === "rowPerThread" ? tile.rows * WORKGROUP[body] : tile.rows;
  return Math.ceil((facts.shard?.rows ?? facts.rows) / rowsAGroup);
}

const BODY_PART: Record<Variant, string> = {
  rowPerThread: "parts/linear_row_per_thread",
  gemv: "parts/linear_gemv",
  gemm: "parts/linear_gemm",
};

function linearKernel(gpu: Gpu, facts: LinearFacts): Kernel<LinearBinding | ShrinkBinding> {
  const { format, activations, shrink } = facts;
  const variant = variantOf(gpu.body, tileOf(gpu.body, facts));
  const subgroups = usesSubgroups(gpu, variant);
  const parts = [
    "parts/step",
    ...(format === "q8_0" || format === "q4" ? ["parts/linear_packed"] : []),
    `parts/format_${format}`,
    dotPart(format, activations),
    ...sharingParts(variant, activations, shrink, subgroups),
    BODY_PART[variant],
    ...shrinkParts(gpu.body, shrink, subgroups),
    "linear",
  ];
  return {
    name: `linear ${format} ${activations} ${variant}${shrink === undefined ? "" : " shrink"}`,
    enables: subgroups ? ["subgroups"] : [],
    parts: parts.map(shader),
    bindings: { ...BINDINGS, ...(shrink === undefined ? {} : SHRINK_BINDINGS) } as Kernel<
      LinearBinding | ShrinkBinding
    >["bindings"],
  };
}

function dotPart(format: DeviceFormat, activations: ActivationForm): string {
  if (activations === "q8") return "parts/linear_dot_q8";
  return format === "q8_0" || format === "q4" ? "parts/linear_dot_f32_scaled" : "parts/linear_dot_f32";
}

function usesSubgroups(gpu: Gpu, variant: Variant): boolean {
  return variant === "rowPerThread" ? sharesLoads(gpu) : gpu.device.features.has("subgroups");
}

/** How lanes hand values to each other: activations (rowPerThread) or partial sums (the others). */
function sharingParts(
  variant: Variant,
  activations: ActivationForm,
  shrink: LoraShape | undefined,
  subgroups: boolean,
): string[] {
  if (variant === "rowPerThread") return [`parts/linear_spread_${subgroups ? activations : "none"}`];
  if (variant === "gemm" && shrink === undefined) return [];
  return [subgroups ? "parts/linear_sums_subgroup" : "parts/linear_sums_shared"];
}

function shrinkParts(body: Body, shrink: LoraShape | undefined, subgroups: boolean): string[] {
  if (shrink === undefined) return ["parts/shrink_none"];
  if (body === "workgroupPerRows") return ["parts/shrink_bindings", "parts/shrink_workgroup"];
  const spread = subgroups ? "parts/shrink_spread_subgroup" : "parts/shrink_spread_none";
  return ["parts/shrink_bindings", spread, "parts/shrink_row_per_thread"];
}

function linearConstants(body: Body, facts: LinearFacts): Constants {
  const tile = tileOf(body, facts);
  const { firstRow, rows } = facts.shard ?? { firstRow: 0, rows: facts.rows };
  return {
    ROWS: rows,
    FIRST_ROW: firstRow,
    ROWS_TOTAL: facts.rows,
    COLS: facts.cols,
    COUNT_ROWS: facts.per === "rows",
    WORKGROUP: WORKGROUP[body],
    TILE_ROWS: tile.rows,
    TILE_TOKENS: tile.tokens,
    BASE_GROUPS: baseGroups(body, facts),
    ...(body === "rowPerThread" ? {} : workgroupConstants(facts, tile)),
    ...(facts.shrink === undefined ? {} : loraConstants(facts.shrink)),
  };
}

/** DEPTH: chunks in shared memory at a time. A chunk is 8 columns of f16, 4 or 8 of f32, at least 16 otherwise. */
function workgroupConstants({ format, shrink }: LinearFacts, tile: Tile): Constants {
  const outputs = variantOf("workgroupPerRows", tile) === "gemv" ? tile.rows * tile.tokens : 0;
  return {
    DEPTH: format === "f32" || format === "f16" ? 2 : 1,
    SUMS: Math.max(outputs, shrink === undefined ? 0 : SHRINK_ROWS),
    SHRINK_ROWS,
  };
}

function checkFacts({ format, rows, cols, shard, activations }: LinearFacts): void {
  const multiple = activations === "q8" ? 32 : FORMAT_COLUMNS[format];
  if (cols % multiple !== 0) throw new RangeError(`linear: ${cols} columns are no multiple of ${multiple} (${format})`);
  if (activations === "q8" && format !== "q8_0" && format !== "q4") {
    throw new RangeError(`linear: int8 activations meet ${format} weights`);
  }
  if (shard !== undefined && shard.firstRow + shard.rows > rows) throw new RangeError("linear: a shard past the rows");
}
