// LoRA on the matrices of a model's own experts and on their router: ragged ranks, adapters without experts, skewed lists.

import { packAdapterLayer } from "../../../engine/adapters/pack_adapter.ts";
import type { ExpertLayer, LoraModule } from "../../../files/lora/adapter.ts";
import { expandExperts } from "../../../shaders/experts/expand_experts.ts";
import type { ExpertPart } from "../../../shaders/experts/expert_lora.ts";
import { shrinkExperts } from "../../../shaders/experts/shrink_experts.ts";
import type { KernelCase } from "../case.ts";
import { compute, stepShape } from "../compute.ts";
import { randomFloats } from "../random.ts";
import { linear } from "../reference/linear.ts";
import { type CaseEntry, ENTRIES, listsOf, mostEntries, RANK4, SKEWS, type Skew, tableOf } from "./adapters.ts";

const EXPERTS = 5;
const USED = 3;
const HIDDEN = 72;
const FFN = 20;
/** The sixth has no part of experts, the seventh a router alone. */
const RANKS = [1, 3, 4, 16, 32, 0, 2];
const TOLERANCE = 1e-5;

/** What is computed together, and from what. */
const GROUPS = {
  router: { parts: ["router"], rows: EXPERTS, cols: HIDDEN, used: 1, per: "tokens" },
  "gate and up": { parts: ["gate_proj", "up_proj"], rows: FFN, cols: HIDDEN, used: USED, per: "tokens" },
  down: { parts: ["down_proj"], rows: HIDDEN, cols: FFN, used: USED, per: "slots" },
} as const satisfies Record<string, { parts: readonly ExpertPart[]; per: "tokens" | "slots"; [size: string]: unknown }>;
type Group = keyof typeof GROUPS;

export function expertLoraCases(): KernelCase[] {
  return (Object.keys(GROUPS) as Group[]).flatMap((group) =>
    SKEWS.flatMap((skew) =>
      [1, 19].flatMap((tokens): KernelCase[] => {
        const name = `${group}, ${skew}, ${tokens} tokens`;
        const made = () => new Case(group, skew, tokens);
        return [
          { kernel: "shrink_experts", name, run: (device) => made().shrink(device) },
          { kernel: "expand_experts", name, run: (device) => made().expand(device) },
        ];
      }),
    ),
  );
}

type Device = Parameters<KernelCase["run"]>[0];

class Case {
  readonly #group: Group;
  readonly #tokens: number;
  readonly #layers = RANKS.map((rank, i) => layerOf(rank, 100 * i));
  readonly #lists: CaseEntry[][];
  readonly #chosen: Uint32Array<ArrayBuffer>;
  readonly #x: Float32Array<ArrayBuffer>;

  constructor(group: Group, skew: Skew, tokens: number) {
    this.#group = group;
    this.#tokens = tokens;
    this.#lists = listsOf(skew, tokens, RANKS.length);
    this.#chosen = Uint32Array.from({ length: tokens * USED }, (_, slot) => (2 * slot + (slot % USED)) % EXPERTS);
    const { per, used, cols } = GROUPS[group];
    this.#x = randomFloats(tokens * (per === "slots" ? used : 1) * cols, 7);
  }

  async shrink(device: Device) {
    const { shrunk: computed, written } = this.#shrunk();
    // What has no such part stays as it is.
    const shrunk = randomFloats(computed.length, 8);
    const expected = computed.map((value, i) => (written[i] ? value : shrunk[i]));
    const { cols, per } = GROUPS[this.#group];
    const arrays = { ...this.#arrays(), x: this.#x, shrunk };
    const found = await compute(device, shrinkExperts, { ...this.#facts(), cols, per }, this.#shape(), arrays);
    return [{ actual: found.shrunk, expected, tolerance: TOLERANCE }];
  }

  async expand(device: Device) {
    const { parts, rows, used } = GROUPS[this.#group];
    const { shrunk } = this.#shrunk();
    const before = randomFloats(this.#tokens * used * parts.length * rows, 9);
    const expected = Float64Array.from(before);
    this.#each(({ slot, j, expert, modules }) => {
      for (const [p, module] of modules.entries()) {
        if (module === undefined) continue;
        const h = ((slot * ENTRIES + j) * parts.length + p) * 4 * RANK4;
        const b = module.b.subarray(expert * rows * module.rank, (expert + 1) * rows * module.rank);
        const low = shrunk.subarray(h, h + module.rank);
        for (const [r, value] of linear(low, b, 1, module.rank, rows).entries())
          expected[(slot * parts.length + p) * rows + r] += module.scale * value;
      }
    });
    const arrays = { ...this.#arrays(), shrunk: Float32Array.from(shrunk), y: before };
    const { y } = await compute(device, expandExperts, { ...this.#facts(), rows }, this.#shape(), arrays);
    return [{ actual: y, expected, tolerance: TOLERANCE }];
  }

  /** In float64, and where a kernel is to write it. */
  #shrunk(): { shrunk: Float64Array; written: Uint8Array } {
    const { parts, cols, per, used } = GROUPS[this.#group];
    const shrunk = new Float64Array(this.#tokens * used * ENTRIES * parts.length * 4 * RANK4);
    const written = new Uint8Array(shrunk.length);
    this.#each(({ slot, t, j, gate, expert, modules }) => {
      const row = per === "slots" ? slot : t;
      const x = this.#x.subarray(row * cols, (row + 1) * cols);
      for (const [p, module] of modules.entries()) {
        if (module === undefined) continue;
        const at = ((slot * ENTRIES + j) * parts.length + p) * 4 * RANK4;
        const a = module.a.subarray(expert * module.rank * cols, (expert + 1) * module.rank * cols);
        for (const [r, value] of linear(x, a, 1, cols, module.rank).entries())
          shrunk[at + r] = Math.fround(gate) * value;
        written.fill(1, at, at + 4 * Math.ceil(module.rank / 4));
      }
    });
    return { shrunk, written };
  }

  #each(
    visit: (one: {
      slot: number;
      t: number;
      j: number;
      gate: number;
      expert: number;
      modules: (LoraModule | undefined)[];
    }) => void,
  ): void {
    const { parts, used } = GROUPS[this.#group];
    for (let slot = 0; slot < this.#tokens * used; slot++) {
      const t = Math.floor(slot / used);
      for (const [j, { adapter, gate }] of this.#lists[t].entries()) {
        if (adapter === undefined) continue;
        const modules = parts.map((part) => this.#layers[adapter]?.[part]);
        const expert = this.#group === "router" ? 0 : this.#chosen[slot];
        visit({ slot, t, j, gate, expert, modules });
      }
    }
  }

  #arrays() {
    const floats: number[] = new Array(16).fill(Number.NaN);
    const addresses = this.#layers.map((layer) => {
      const at = floats.length / 4;
      floats.push(...packAdapterLayer({}, "f32", layer), ...new Array<number>(4).fill(Number.NaN));
      return at;
    });
    const chosen = this.#group === "router" ? {} : { chosen: this.#chosen };
    return { table: tableOf(this.#lists, addresses), pool: Float32Array.from(floats), ...chosen };
  }

  #facts() {
    const { parts, used } = GROUPS[this.#group];
    return { parts, used, chosen: this.#group !== "router", entries: ENTRIES, rank4: RANK4, maxTokens: this.#tokens };
  }

  #shape() {
    const entries = mostEntries(this.#lists);
    return stepShape({
      tokens: this.#tokens,
      sequences: 1,
      entries,
      maxRank4: RANK4,
      adapters: RANKS.length,
      experts: true,
    });
  }
}

function layerOf(rank: number, seed: number): ExpertLayer | undefined {
  if (rank === 0) return undefined;
  const router = moduleOf(rank, 1, EXPERTS, HIDDEN, seed);
  if (rank === 2) return { router };
  const gate = moduleOf(rank, EXPERTS, FFN, HIDDEN, seed + 10);
  const up = moduleOf(rank, EXPERTS, FFN, HIDDEN, seed + 20);
  // Of a matrix that holds both, they share A.
  const shared = rank === 3 ? { ...up, a: gate.a } : up;
  return { router, gate_proj: gate, up_proj: shared, down_proj: moduleOf(rank, EXPERTS, HIDDEN, FFN, seed + 30) };
}

function moduleOf(rank: number, count: number, out: number, inp: number, seed: number): LoraModule {
  const a = randomFloats(count * rank * inp, seed);
  return { rank, scale: 0.75, a, b: randomFloats(count * out * rank, seed + 1) };
}
