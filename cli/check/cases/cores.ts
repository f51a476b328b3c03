// The cores of compressed adapters on shrunk vectors: matrices and diagonals of ragged ranks, plain adapters between them.

import { packCoreLayer, packSharedLayer, relocated } from "../../../engine/adapters/pack_compressed.ts";
import { allocateFrom, type Device } from "../../../engine/device/device.ts";
import { LORA_MODULES } from "../../../files/families/modules.ts";
import type { Compressed, SharedModule } from "../../../files/lora/shared_factors.ts";
import { launch } from "../../../shaders/kernel.ts";
import { core } from "../../../shaders/lora/core.ts";
import { ENTRY, NO_EXPERT } from "../../../shaders/step.ts";
import { wordBuffer } from "../../../shaders/struct.ts";
import type { Compared, KernelCase } from "../case.ts";
import { runOnce, stepShape, stepUniform } from "../compute.ts";
import { Output } from "../output.ts";
import { randomFloats } from "../random.ts";
import { linear } from "../reference/linear.ts";

const RANKS = [1, 3, 4, 6, 13, 16];
const RANK4 = 4;
const ENTRIES = 3;
/** q, k and v: three modules in one launch. */
const GROUP = LORA_MODULES.slice(0, 3);
const WIDTH = 8;

export function coreCases(): KernelCase[] {
  return [1, 9].flatMap((tokens) =>
    (["full", "diagonal"] as const).map(
      (kind): KernelCase => ({
        kernel: "core",
        name: `${kind}, ${tokens} tokens`,
        run: (device) => coreCase(device, kind, tokens),
      }),
    ),
  );
}

/** One adapter a rank; its third module is not extended. The first of RANKS stands for a plain adapter. */
async function coreCase(device: Device, kind: "full" | "diagonal", tokens: number): Promise<Compared[]> {
  const sets = RANKS.map((rank, i) => compressed(rank, kind, 10 * i));
  const floats: number[] = new Array(16).fill(Number.NaN);
  const addresses = sets.map((set) => {
    const factors = floats.length / 4;
    floats.push(...packSharedLayer(set.shared.layers[0]), ...new Array<number>(4).fill(Number.NaN));
    const own = floats.length / 4;
    floats.push(...relocated(packCoreLayer(set, 0), factors - own), ...new Array<number>(4).fill(Number.NaN));
    return own;
  });
  // Without the way to its cores, a run is a plain adapter's.
  floats[4 * (addresses[0] + LORA_MODULES.length)] = 0;

  const count = tokens * ENTRIES * GROUP.length * 4 * RANK4;
  const before = randomFloats(count, 4);
  const table = wordBuffer(tokens * ENTRIES * ENTRY.bytes);
  const expected = Float64Array.from(before);
  for (let t = 0; t < tokens; t++) {
    for (let j = 0; j < ENTRIES; j++) {
      const adapter = (t + 2 * j) % RANKS.length;
      const ends = j === 2 && t % 2 === 1;
      const none = (t + j) % 5 === 3;
      const entry = { address: none ? 0 : addresses[adapter], gate: 1, expert: ends ? NO_EXPERT : adapter };
      ENTRY.write(table, (t * ENTRIES + j) * ENTRY.words, entry);
      if (ends || none || adapter === 0) continue;
      for (const [m, name] of GROUP.entries()) {
        const own = sets[adapter].cores[0][name];
        if (own === undefined) continue;
        const at = ((t * ENTRIES + j) * GROUP.length + m) * 4 * RANK4;
        expected.fill(0, at, at + 4 * Math.ceil(RANKS[adapter] / 4));
        expected.set(applied(own, before.subarray(at, at + RANKS[adapter])), at);
      }
    }
  }
  // Where a rank ends within a vec4, shrink leaves zeros.
  for (const [i, value] of zeroed(before, tokens).entries()) before[i] = value;
  const shrunk = new Output(device, count);
  device.write(shrunk.view, before);
  const shape = stepShape({
    tokens,
    sequences: 1,
    entries: ENTRIES,
    maxRank4: RANK4,
    adapters: RANKS.length,
    cores: true,
  });
  const facts = { firstModule: 0, rows: [WIDTH, WIDTH, WIDTH], entries: ENTRIES, rank4: RANK4, maxTokens: tokens };
  const views = {
    step: stepUniform(device, shape),
    table: allocateFrom(device, "table", table.words),
    pool: allocateFrom(device, "pool", Float32Array.from(floats)),
    shrunk: shrunk.view,
  };
  await runOnce(device, [launch(core, facts, views)], shape);
  return [{ actual: await shrunk.read(), expected: zeroed(expected, tokens), tolerance: 1e-5 }];
}

/** The same with zeros behind every entry's rank, up to a whole vec4. */
function zeroed<T extends Float32Array | Float64Array>(values: T, tokens: number): T {
  for (let t = 0; t < tokens; t++) {
    for (let j = 0; j < ENTRIES; j++) {
      const rank = RANKS[(t + 2 * j) % RANKS.length];
      for (let m = 0; m < GROUP.length; m++) {
        const at = ((t * ENTRIES + j) * GROUP.length + m) * 4 * RANK4;
        values.fill(0, at + rank, at + 4 * Math.ceil(rank / 4));
      }
    }
  }
  return values;
}

function applied(own: Float32Array, low: Float32Array): Float64Array {
  if (own.length === low.length && low.length > 1) return Float64Array.from(low, (value, r) => value * own[r]);
  return linear(low, own, 1, low.length, low.length);
}

function compressed(rank: number, kind: "full" | "diagonal", seed: number): Compressed {
  const module = (n: number): SharedModule => ({
    rank,
    u: randomFloats(WIDTH * rank, seed + n),
    v: randomFloats(rank * WIDTH, seed + n + 3),
  });
  const layer = Object.fromEntries(GROUP.map((name, n) => [name, module(n)]));
  const size = kind === "full" ? rank * rank : rank;
  const cores = Object.fromEntries(GROUP.slice(0, 2).map((name, n) => [name, randomFloats(size, seed + n + 6)]));
  return { shared: { hash: "h", layers: [layer] }, cores: [cores] };
}
