// Adapters of mixed ranks in a pool, and lists that send tokens to them in every skewed way.

import { packAdapterLayer } from "../../../engine/adapters/pack_adapter.ts";
import type { ModelConfig } from "../../../files/families/config.ts";
import { LORA_MODULES, type LoraModuleName, moduleShape } from "../../../files/families/modules.ts";
import type { LoraModule } from "../../../files/lora/adapter.ts";
import type { AdapterDtype } from "../../../shaders/lora/adapter_dtype.ts";
import { ENTRY, NO_EXPERT } from "../../../shaders/step.ts";
import { wordBuffer } from "../../../shaders/struct.ts";
import { randomFloats } from "../random.ts";
import { heldFactor } from "../reference/held_factor.ts";

export type Modules = Partial<Record<LoraModuleName, LoraModule>>;

/** One entry of a token: the adapter by number (undefined: the base), and its gate. */
export interface CaseEntry {
  adapter: number | undefined;
  gate: number;
}

/** Highest rank among the adapters, in vec4s. */
export const RANK4 = 10;
/** Entries a token can have. */
export const ENTRIES = 4;
/** Beyond 32, a row of B is more than one block of int8. */
const RANKS = [1, 2, 3, 4, 5, 16, 38];
/** Floats of a gap between runs: no run begins at 0. */
const GAP = 16;

/**
 * Adapters of every rank on all modules, of which every second changes rows too; one of mixed ranks; two that lack
 * modules, one of which has rows and no pair.
 */
export function caseAdapters(config: ModelConfig): Modules[] {
  const uniform = RANKS.map((rank, i) => {
    const modules = modulesOf(config, LORA_MODULES, () => rank, 100 * i);
    return i % 2 === 0 ? modules : changingRows(config, modules, 4000 + i);
  });
  const mixed = modulesOf(config, LORA_MODULES, (i) => RANKS[i], 1000);
  const queries = modulesOf(config, ["q_proj", "v_proj", "up_proj"], () => 6, 2000);
  const others = modulesOf(config, ["k_proj", "o_proj", "gate_proj", "down_proj"], (i) => 7 + i, 3000);
  const rowsAlone = changingRows(
    config,
    modulesOf(config, ["v_proj", "up_proj"], () => 0, 0),
    5000,
  );
  return [...uniform, mixed, queries, { ...rowsAlone, ...others }];
}

function changingRows(config: ModelConfig, modules: Modules, seed: number): Modules {
  const changed = Object.entries(modules).map(([name, lora], i) => {
    const [out] = moduleShape(config, name as LoraModuleName);
    return [
      name,
      { ...lora, rows: { gain: randomFloats(out, seed + 20 * i), shift: randomFloats(out, seed + 20 * i + 10) } },
    ];
  });
  return Object.fromEntries(changed);
}

function modulesOf(
  config: ModelConfig,
  names: readonly LoraModuleName[],
  rankOf: (index: number) => number,
  seed: number,
): Modules {
  return Object.fromEntries(
    names.map((name, i) => {
      const [out, inp] = moduleShape(config, name);
      const rank = rankOf(i);
      const a = randomFloats(rank * inp, seed + 2 * i);
      const b = randomFloats(out * rank, seed + 2 * i + 1);
      return [name, { rank, scale: 0.25 + i / 8, a, b }];
    }),
  );
}

/** The adapters with the values that a dtype holds them at; B has its scale in it. */
export function heldAdapters(adapters: readonly Modules[], dtype: AdapterDtype): Modules[] {
  return adapters.map((modules) =>
    Object.fromEntries(
      Object.entries(modules).map(([name, lora]) => {
        const { a, b, rank, scale } = lora;
        if (rank === 0) return [name, lora];
        const scaled = b.map((value) => scale * value);
        return [
          name,
          { ...lora, scale: 1, a: heldFactor(a, a.length / rank, dtype), b: heldFactor(scaled, rank, dtype) },
        ];
      }),
    ),
  );
}

/** Adapters' runs in a pool, then free pages. */
export interface PlacedAdapters {
  pool: Float32Array<ArrayBuffer>;
  /** Of each run, in vec4s. */
  addresses: number[];
  /** The first free page. */
  firstPage: number;
}

/** Runs one after another behind gaps of NaNs, which nothing may read, then free pages. */
export function placeAdapters(
  adapters: readonly Modules[],
  pageFloats: number,
  freePages: number,
  dtype: AdapterDtype = "f32",
): PlacedAdapters {
  const runs = adapters.map((adapter) => packAdapterLayer(adapter, dtype));
  const firstPage = Math.ceil(runs.reduce((sum, run) => sum + run.length + GAP, GAP) / pageFloats);
  const pool = new Float32Array((firstPage + freePages) * pageFloats).fill(Number.NaN);
  const addresses: number[] = [];
  let at = GAP;
  for (const run of runs) {
    addresses.push(at / 4);
    pool.set(run, at);
    at += run.length + GAP;
  }
  return { pool, addresses, firstPage };
}

/** How tokens' lists come about. */
export const SKEWS = ["one", "distinct", "uniform", "zipf", "base", "empty", "ragged"] as const;
export type Skew = (typeof SKEWS)[number];

/** The lists of `tokens` tokens. Gates differ from token to token. */
export function listsOf(skew: Skew, tokens: number, adapters: number): CaseEntry[][] {
  const random = randomFloats(16 * tokens, 77);
  const pick = (i: number) => Math.floor(((random[i] + 1) / 2) * adapters);
  const gate = (i: number) => 0.2 + (i % 7) / 8;
  const listOf = (t: number): CaseEntry[] => {
    switch (skew) {
      case "one":
        return [{ adapter: 5, gate: gate(t) }];
      case "distinct":
        return [{ adapter: t % adapters, gate: 1 }];
      case "uniform":
        return [0, 1].map((j) => ({ adapter: pick(2 * t + j), gate: gate(t + j) }));
      case "zipf":
        return [{ adapter: Math.min(adapters - 1, Math.floor(1 / (1 - pick(t) / adapters)) - 1), gate: gate(t) }];
      case "base":
        return [{ adapter: undefined, gate: 1 }];
      case "empty":
        return [];
      case "ragged":
        return Array.from({ length: t % (ENTRIES + 1) }, (_, j) => ({
          adapter: (t + j) % 4 === 1 ? undefined : pick(4 * t + j),
          gate: gate(t + 2 * j),
        }));
    }
  };
  return Array.from({ length: tokens }, (_, t) => listOf(t));
}

/** Whatever reads on comes to an adapter that is not there. */
const END = { address: 1, gate: 0, expert: NO_EXPERT };
const BEHIND = { address: 2, gate: 0, expert: 3 };

/** The table of the lists. What stands behind a list's end points nowhere good. */
export function tableOf(lists: readonly CaseEntry[][], addresses: readonly number[]): Uint32Array<ArrayBuffer> {
  const target = wordBuffer(Math.max(1, lists.length) * ENTRIES * ENTRY.bytes);
  for (const [t, list] of lists.entries()) {
    for (let j = 0; j < ENTRIES; j++) {
      const at = (t * ENTRIES + j) * ENTRY.words;
      const entry = list[j];
      if (entry === undefined) ENTRY.write(target, at, j === list.length ? END : BEHIND);
      else {
        const address = entry.adapter === undefined ? 0 : addresses[entry.adapter];
        ENTRY.write(target, at, { address, gate: entry.gate, expert: entry.adapter ?? 0 });
      }
    }
  }
  return target.words;
}

/** Gates [T, adapters] as the reference takes them. */
export function gatesOf(lists: readonly CaseEntry[][], adapters: number): Float64Array {
  const gates = new Float64Array(lists.length * adapters);
  for (const [t, list] of lists.entries()) {
    for (const { adapter, gate } of list) if (adapter !== undefined) gates[t * adapters + adapter] += Math.fround(gate);
  }
  return gates;
}

export function mostEntries(lists: readonly CaseEntry[][]): number {
  return Math.max(0, ...lists.map((list) => list.length));
}
