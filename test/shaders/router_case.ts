// Mixtures with random gates on the device: their runs in a pool, the gate and route kernels over a step's sequences.

import { gateWidth, packRouterLayer } from "../../engine/adapters/pack_router.ts";
import { allocateFrom, type Device } from "../../engine/device/device.ts";
import type { View } from "../../engine/device/memory.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { arrowPrototype } from "../../router/arrow.ts";
import type { Mixture, Router } from "../../router/mixture.ts";
import { launch } from "../../shaders/kernel.ts";
import { gate } from "../../shaders/routing/gate.ts";
import { route } from "../../shaders/routing/route.ts";
import { ENTRY, NO_EXPERT } from "../../shaders/step.ts";
import { wordBuffer } from "../../shaders/struct.ts";
import { randomFloats, run } from "./device.ts";
import { Output } from "./outputs.ts";
import { stepShape, stepUniform } from "./step_case.ts";

/** Room in the device's arrays; no mixture of the tests fills it. */
export const CAPACITY = { sequences: 9, entries: 4, experts: 8, gateWidth: 28 };
export const HIDDEN = 36;
/** Pages of a sequence of the tests: of row r, those from r · PAGES on. */
const PAGES = 8;

/** A mixture's experts: adapters of one layer each, or the base. */
export interface PlacedMixture {
  mixture: Mixture;
  adapters: readonly (Adapter | undefined)[];
  /** Made up; 0 for the base. */
  addresses: readonly number[];
}

export function placedMixture(router: Router, adapters: readonly (Adapter | undefined)[]): PlacedMixture {
  const experts = adapters.map((adapter, e) => ({ name: `e${e}`, adapter: adapter?.name, sha256: undefined }));
  const baseModel = { architecture: "LlamaForCausalLM", hiddenSize: HIDDEN, numLayers: 1 };
  const addresses = adapters.map((adapter, e) => (adapter === undefined ? 0 : 100_000 + 8 * e));
  return { mixture: { name: "m", hash: "h", baseModel, experts, router }, adapters, addresses };
}

/** A gate of one layer with random weights; `outputs`: experts, and one more with belief. */
export function randomGate(width: number, outputs: number, seed: number) {
  const scaled = (count: number, offset: number, scale: number) =>
    randomFloats(count, seed + offset).map((value) => value * scale);
  return {
    fc1Weight: scaled(width * HIDDEN, 0, 1),
    fc1Bias: scaled(width, 1, 1),
    fc2Weight: scaled(outputs * width, 2, 2),
    fc2Bias: scaled(outputs, 3, 1),
  };
}

type CaseList = { address: number; gate: number }[];

/** What a token of a sequence meets: a router, with a list beside it or without, or a list that holds for all its tokens. */
export type CaseRoute = { router: PlacedMixture; beside?: CaseList } | { fixed: CaseList };

export interface CaseSequence {
  route: CaseRoute;
  /** Row of its device state, below CAPACITY.sequences. */
  row: number;
  /** Row whose pages it goes on from. Default: its own. */
  pagesOf?: number;
  /** Position of its first token in this step. */
  start: number;
  ids: readonly number[];
}

export interface RoutedEntry {
  address: number;
  gate: number;
  expert: number;
}

/** Device state that lasts from step to step, and the routers. */
export class RouterBench {
  readonly belief: View;
  readonly #device: Device;

  constructor(device: Device) {
    this.#device = device;
    this.belief = allocateFrom(
      device,
      "belief",
      new Float32Array(CAPACITY.sequences * (1 + PAGES) * CAPACITY.experts).fill(Number.NaN),
    );
  }

  /**
   * One step. `hidden`: the gates' hidden layers, [T, CAPACITY.gateWidth], instead of the gate kernel's.
   * Gives each token's list, and the logits (beliefs as logarithms) that it came from, [T, experts + 1].
   */
  async step(
    sequences: readonly CaseSequence[],
    x: Float32Array<ArrayBuffer>,
    hidden?: Float32Array<ArrayBuffer>,
  ): Promise<{ lists: RoutedEntry[][]; logits: Float32Array<ArrayBuffer> }> {
    const { entries, experts } = CAPACITY;
    const { pool, addresses } = this.#placeRouters(sequences);
    const tokens: number[] = [];
    const structs: number[] = [];
    const fixed = new Uint32Array(4 * entries * sequences.length).fill(77);
    const ids: number[] = [];
    for (const [s, sequence] of sequences.entries()) {
      const blocks = PAGES * (sequence.pagesOf ?? sequence.row);
      structs.push(ids.length, sequence.ids.length, sequence.start, blocks, sequence.row, addresses[s], s * entries, 0);
      for (const [i, id] of sequence.ids.entries())
        tokens.push(id, sequence.start + i, s, 0, sequence.start + i, 0, 0, 0);
      ids.push(...sequence.ids);
      const { route } = sequence;
      if ("fixed" in route) writeList(fixed, 4 * s * entries, route.fixed);
      else writeList(fixed, 4 * s * entries, route.beside ?? [], route.router.addresses.length);
    }
    const width = Math.max(
      0,
      ...sequences.map(({ route }) => ("router" in route ? gateWidth(route.router.mixture) : 0)),
    );
    const count = ids.length;
    const gates = new Output(this.#device, count * CAPACITY.gateWidth, hidden);
    const evidence = new Output(this.#device, count * (experts + 1));
    const table = new Output(this.#device, count * entries * 4);
    const shape = stepShape({
      tokens: count,
      sequences: sequences.length,
      entries,
      maxRank4: 1,
      adapters: 1,
      routed: true,
      gateWidth: width,
    });
    const views = {
      step: stepUniform(this.#device, shape),
      tokens: allocateFrom(this.#device, "tokens", new Uint32Array(tokens)),
      sequences: allocateFrom(this.#device, "sequences", new Uint32Array(structs)),
      fixed_entries: allocateFrom(this.#device, "fixed", fixed),
      ids: allocateFrom(this.#device, "ids", new Uint32Array(ids)),
      x: allocateFrom(this.#device, "x", x),
      gate: gates.view,
      pool,
      evidence: evidence.view,
      belief: this.belief,
      table: table.view,
      blocks: allocateFrom(
        this.#device,
        "blocks",
        Uint32Array.from({ length: CAPACITY.sequences * PAGES }, (_, i) => i),
      ),
    };
    const facts = { hidden: HIDDEN, gateWidth: CAPACITY.gateWidth, tokens: count };
    const launches = [launch(gate, facts, views), launch(route, CAPACITY, views)];
    await run(this.#device, hidden === undefined ? launches : launches.slice(1), shape);
    await gates.read();
    return { lists: readLists(await table.readWords(), count), logits: await evidence.read() };
  }

  /** Every router once, behind a gap of NaNs. */
  #placeRouters(sequences: readonly CaseSequence[]): { pool: View; addresses: number[] } {
    const gap = [Number.NaN, Number.NaN, Number.NaN, Number.NaN];
    const floats: number[] = [];
    const addresses = sequences.map(({ route }) => {
      if (!("router" in route)) return 0;
      const { mixture, adapters, addresses } = route.router;
      const prototypes = adapters.map((adapter) => adapter && arrowPrototype(adapter.layers[0]));
      floats.push(...gap);
      const at = floats.length / 4;
      floats.push(...packRouterLayer(mixture, 0, { prototypes, addresses }));
      return at;
    });
    return { pool: allocateFrom(this.#device, "pool", Float32Array.from([...floats, ...gap])), addresses };
  }
}

function writeList(
  words: Uint32Array<ArrayBuffer>,
  at: number,
  list: readonly { address: number; gate: number }[],
  firstExpert = 0,
): void {
  const target = wordBuffer(words.buffer);
  for (const [j, { address, gate }] of list.entries()) {
    ENTRY.write(target, at + j * ENTRY.words, { address, gate, expert: firstExpert + j });
  }
  if (list.length < CAPACITY.entries) ENTRY.write(target, at + list.length * ENTRY.words, { expert: NO_EXPERT });
}

function readLists(words: Uint32Array<ArrayBuffer>, tokens: number): RoutedEntry[][] {
  const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
  return Array.from({ length: tokens }, (_, t) => {
    const list: RoutedEntry[] = [];
    for (let j = 0; j < CAPACITY.entries; j++) {
      const at = 4 * (t * CAPACITY.entries + j);
      if (words[at + 2] === NO_EXPERT) break;
      list.push({ address: words[at], gate: floats[at + 1], expert: words[at + 2] });
    }
    return list;
  });
}
