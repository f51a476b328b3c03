// The linear kernel: which parts make it up for a weight format and a number of tokens. See linear.wgsl.
//
//   variant  tokens     a workgroup computes             its lanes
//   gemv     under 16   4 rows for 1, 4 or 8 tokens      share each row's columns, then add up
//   gemm     from 16    32 rows for 32 tokens            have 4 rows by 4 tokens each, from tiles in shared memory
//
// engine/model/linear_weights.ts brings weights into the formats named here.

import {
  type ActivationForm,
  CPU_FORMATS,
  type DeviceFormat,
  FORMAT_COLUMNS,
  QUANTISED_FORMATS,
} from "../formats/device_format.ts";
import type { Constants, CpuBody, Fragment, GpuTraits, Kernel } from "../kernel.ts";
import { factorTexts, type LoraShape, shapeConstants } from "../lora/lora_form.ts";
import type { StepShape } from "../step.ts";

export interface LinearFacts {
  format: DeviceFormat;
  /** Rows of the whole matrix: the row stride of y. */
  rows: number;
  cols: number;
  /** The rows that the bound weights hold, where one binding cannot hold them all. Default: all. */
  shard?: { firstRow: number; rows: number };
  activations: ActivationForm;
  /** About how many tokens (or rows of logits) a step has. */
  tokens: number;
  /** LoRA rows computed by the same launch (few tokens; see lora/shrink_bindings.wgsl). */
  shrink?: LoraShape;
  /** What `y` has one row for: every token of the step (default) or every wanted row of logits. */
  per?: "tokens" | "rows";
  /** What a sum becomes before it is stored. */
  ending?: LinearEnding;
}

/** A bias is added, `bias` [rows]; or it is multiplied, and capped softly: cap · tanh(scale · sum / cap), 0: not. */
export type LinearEnding = { bias: true } | { bias?: never; scale: number; cap: number };

/** What one workgroup computes. */
interface Tile {
  rows: number;
  tokens: number;
}

/** From here on, tiles in shared memory (gemm) beat reductions (gemv). */
const GEMM_TOKENS = 16;
const WORKGROUP = 64;
/** Rows of A that one workgroup shrinks together. */
const SHRINK_ROWS = 4;

/**
 * Views: step, quants, scales, x, y; with int8 activations xq and xs; with `shrink` also table, adapters, shrunk and xf,
 * the activations as f32; with a bias also bias. `scales` is read by quantised formats on a GPU: any small view may stand in for one that is not read.
 */
export const linear: Kernel<LinearFacts> = {
  name: "linear",
  constants: linearConstants,
  check: checkFacts,
  wgsl: (facts, gpu) => {
    const tile = tileOf(facts.tokens);
    const variant = tile.tokens >= GEMM_TOKENS ? "gemm" : "gemv";
    const sums = variant === "gemv" || facts.shrink !== undefined;
    const base = Math.ceil(rowsHere(facts) / tile.rows);
    const modules = facts.shrink?.rows.length ?? 0;
    return {
      text: "layer/linear",
      bindings: {
        step: "uniform",
        quants: "read",
        scales: "read",
        x: "read",
        y: "read_write",
        ...(facts.shrink && { table: "read", adapters: "read", shrunk: "read_write", xf: "read" }),
      },
      enables: sums && gpu.subgroups ? ["subgroups"] : [],
      fragments: fragmentsOf(facts, variant, sums, gpu),
      constants: { ...tileConstants(facts, tile, variant), BASE_GROUPS: base },
      // The extra workgroups for LoRA rows vanish in a step without entries.
      grid: (shape) => {
        const blocks = Math.ceil((4 * shape.maxRank4 * modules) / SHRINK_ROWS);
        return [base + blocks * shape.entries * tile.tokens, Math.ceil(countOf(facts, shape) / tile.tokens), 1];
      },
    };
  },
  cpu: (facts) => {
    const panels = Math.ceil(rowsHere(facts) / PANEL_ROWS);
    const base: CpuBody<StepShape> = {
      body: "linear",
      constants: { FORMAT: CPU_FORMATS[facts.format] },
      items: (shape) => (countOf(facts, shape) === 0 ? 0 : panels),
    };
    return facts.shrink === undefined ? [base] : [shrinkBody(facts.shrink), base];
  },
};

/** Rows that lie together in the CPU's layout of weights. */
export const PANEL_ROWS = 8;
/** Four tokens, an entry, a module, and every fourth of its blocks of ranks. */
function shrinkBody({ rows }: LoraShape): CpuBody<StepShape> {
  return { body: "shrink", items: ({ tokens, entries }) => Math.ceil(tokens / 4) * entries * rows.length * 4 };
}

function countOf({ per }: LinearFacts, { tokens, rows }: StepShape): number {
  return per === "rows" ? rows : tokens;
}

function rowsHere({ shard, rows }: LinearFacts): number {
  return shard?.rows ?? rows;
}

function tileOf(tokens: number): Tile {
  if (tokens >= GEMM_TOKENS) return { rows: 32, tokens: 32 };
  return { rows: 4, tokens: tokens === 1 ? 1 : tokens <= 4 ? 4 : 8 };
}

function fragmentsOf(
  { format, shrink, ending }: LinearFacts,
  variant: string,
  sums: boolean,
  gpu: GpuTraits,
): Fragment[] {
  return [
    linearFormat(format),
    { texts: sums ? [gpu.subgroups ? "layer/linear_sums_subgroup" : "layer/linear_sums_shared"] : [] },
    { texts: [`layer/linear_${variant}`] },
    endingFragment(ending),
    shrink === undefined ? { texts: ["lora/shrink_none"] } : shrinkFragment(shrink),
  ];
}

function shrinkFragment(shape: LoraShape): Fragment {
  const texts = ["lora/shrink_bindings", ...factorTexts(shape), "lora/shrink_workgroup"];
  return { texts, constants: { ADAPTERS_BINDING: 6 } };
}

/** How weights lie, and their products with activations. */
export function linearFormat(format: DeviceFormat): Fragment {
  return {
    texts: [
      `formats/${format}`,
      QUANTISED_FORMATS.has(format) ? "layer/linear_dot_f32_scaled" : "layer/linear_dot_f32",
    ],
  };
}

function endingFragment(ending: LinearEnding | undefined): Fragment {
  if (ending === undefined) return { texts: ["layer/linear_ending_none"] };
  if (!ending.bias) return { texts: ["layer/linear_ending_scaled"] };
  return { texts: ["layer/linear_ending_bias"], bindings: { bias: "read" }, at: "BIAS_BINDING" };
}

function linearConstants(facts: LinearFacts): Constants {
  return {
    ROWS: rowsHere(facts),
    FIRST_ROW: facts.shard?.firstRow ?? 0,
    ROWS_TOTAL: facts.rows,
    COLS: facts.cols,
    COUNT_ROWS: facts.per === "rows",
    ...(facts.ending && !facts.ending.bias && { SCALE: facts.ending.scale, CAP: facts.ending.cap }),
    ...(facts.shrink && shapeConstants(facts.shrink)),
  };
}

/** DEPTH: chunks in shared memory at a time. A chunk is 8 columns of f16, 4 or 8 of f32, at least 16 otherwise. */
function tileConstants({ format, shrink }: LinearFacts, tile: Tile, variant: string): Constants {
  const outputs = variant === "gemv" ? tile.rows * tile.tokens : 0;
  return {
    WORKGROUP,
    TILE_ROWS: tile.rows,
    TILE_TOKENS: tile.tokens,
    DEPTH: format === "f32" || format === "f16" ? 2 : 1,
    SUMS: Math.max(outputs, shrink === undefined ? 0 : SHRINK_ROWS),
    SHRINK_ROWS,
  };
}

function checkFacts({ format, rows, cols, shard, activations }: LinearFacts): void {
  const multiple = FORMAT_COLUMNS[format];
  if (cols % multiple !== 0) throw new RangeError(`linear: ${cols} columns are no multiple of ${multiple} (${format})`);
  if (activations === "q8" && !QUANTISED_FORMATS.has(format)) {
    throw new RangeError(`linear: int8 activations meet ${format} weights`);
  }
  if (shard !== undefined && shard.firstRow + shard.rows > rows) throw new RangeError("linear: a shard past the rows");
}
