// Paged attention against float64: head shapes, contexts from one position to many tiles, pages scattered and shared.
// test/shaders/lora/lora.test.ts runs rope_kv.

import { gqaAttention } from "../../../cli/check/reference/gqa_attention.ts";
import { allocateFrom, type Device } from "../../../engine/device/device.ts";
import { decodeFloat16, encodeFloat16 } from "../../../files/weights/stored/float16.ts";
import { launch } from "../../../shaders/kernel.ts";
import { type AttentionFacts, attention } from "../../../shaders/layer/attention.ts";
import type { HeadFacts } from "../../../shaders/layer/rope_kv.ts";
import { factAttention, type ScoreFacts } from "../../reference/family_facts.ts";
import { checkClose, type DeviceName, onEachDevice, randomFloats, run } from "../device.ts";
import { checkSameBits, Output } from "../outputs.ts";
import { stepShape, stepUniform } from "../step_case.ts";

/** Sums of up to 700 weighted terms whose weights sum to 1, after an exp. */
const TOLERANCE = 2e-5;

/** Slices of a step: positions [start, start + count) of a sequence whose earlier positions are in its pages. */
interface CaseSlice {
  start: number;
  count: number;
}

interface Case {
  slices: CaseSlice[];
  q: Float32Array<ArrayBuffer>;
  /** Per slice, of positions 0 …: [S, kvHeads, headDim]. */
  k: Float32Array[];
  v: Float32Array[];
}

const MIXES: CaseSlice[][] = [
  [{ start: 0, count: 1 }],
  [{ start: 299, count: 1 }],
  [{ start: 0, count: 33 }],
  [
    { start: 0, count: 2 },
    { start: 15, count: 1 },
    { start: 16, count: 1 },
    { start: 254, count: 4 },
  ],
  [
    { start: 635, count: 65 },
    { start: 699, count: 1 },
    { start: 5, count: 7 },
  ],
];

const HEADS: HeadFacts[] = [
  { numHeads: 3, numKvHeads: 3, headDim: 8 },
  { numHeads: 4, numKvHeads: 2, headDim: 16 },
  { numHeads: 9, numKvHeads: 3, headDim: 64 },
  { numHeads: 4, numKvHeads: 1, headDim: 96 },
  { numHeads: 4, numKvHeads: 2, headDim: 16, kv: "f16" },
  { numHeads: 9, numKvHeads: 3, headDim: 64, kv: "f16" },
  { numHeads: 2, numKvHeads: 1, headDim: 256, kv: "f16" },
];

for (const heads of HEADS) {
  const { numHeads, numKvHeads, headDim, kv = "f32" } = heads;
  onEachDevice(
    `${numHeads} heads over ${numKvHeads}, ${headDim} wide, KV in ${kv}: equals float64; a token alone has the same bits`,
    async (device) => {
      for (const [seed, slices] of MIXES.entries()) {
        const c = makeCase(slices, heads, seed);
        const all = await attend(device, heads, c, 64);
        checkSameBits(await attend(device, heads, c, 1), all, "another tile");
        let first = 0;
        for (const [i, { start, count }] of slices.entries()) {
          const width = numHeads * headDim;
          const part = all.subarray(first * width, (first + count) * width);
          const q = c.q.slice(first * width, (first + count) * width);
          const positions = Array.from({ length: count }, (_, n) => start + n);
          checkClose(part, gqaAttention(q, c.k[i], c.v[i], positions, heads), TOLERANCE);
          const last = {
            slices: [{ start: start + count - 1, count: 1 }],
            q: q.slice(-width),
            k: [c.k[i]],
            v: [c.v[i]],
          };
          const alone = await attend(device, heads, last, 1);
          checkSameBits(alone, part.subarray(-width), "the last token of a slice");
          first += count;
        }
      }
    },
  );
}

/** Windows shorter than a page, of several tiles of keys, and longer than any context. Drivers compile each anew: few on GPUs. */
const FACTS: [ScoreFacts, DeviceName[]][] = [
  [{ window: 1 }, ["cpu"]],
  [{ window: 9 }, ["cpu"]],
  [{ window: 100 }, ["gpu", "cpu"]],
  [{ window: 257 }, ["cpu"]],
  [{ window: 5000 }, ["cpu"]],
  [{ scale: 0.4, softcap: 3 }, ["cpu"]],
  [{ scale: 1, softcap: 0.5, window: 33 }, ["gpu", "cpu"]],
];

for (const [facts, devices] of FACTS) {
  onEachDevice(
    `${JSON.stringify(facts)}: equals float64, hidden pages are not read, a token alone has the same bits`,
    async (device) => {
      const heads = { numHeads: 4, numKvHeads: 2, headDim: 16, ...facts };
      for (const [seed, slices] of MIXES.entries()) {
        const c = makeCase(slices, heads, seed);
        const all = await attend(device, heads, c, 64);
        checkSameBits(await attend(device, heads, c, 1), all, "another tile");
        let first = 0;
        for (const [i, { start, count }] of slices.entries()) {
          const width = heads.numHeads * heads.headDim;
          const part = all.subarray(first * width, (first + count) * width);
          const q = c.q.slice(first * width, (first + count) * width);
          const positions = Array.from({ length: count }, (_, n) => start + n);
          checkClose(part, factAttention(q, c.k[i], c.v[i], positions, heads), TOLERANCE);
          first += count;
        }
        if (facts.window === undefined) continue;
        // 128 is the longest tile of keys: what ends before the window of every token by that much is not looked at.
        const unread = slices.map(({ start }) => Math.max(0, start + 1 - (facts.window ?? 0) - 128));
        checkSameBits(await attend(device, heads, forget(c, heads, unread), 64), all, "without what is hidden");
      }
    },
    devices,
  );
}

/** The same with NaN for K and V of the first `counts` positions of each slice. */
function forget(c: Case, { numKvHeads, headDim }: HeadFacts, counts: readonly number[]): Case {
  const hidden = (rows: Float32Array[]) =>
    rows.map((row, i) => row.map((value, at) => (at < counts[i] * numKvHeads * headDim ? Number.NaN : value)));
  return { ...c, k: hidden(c.k), v: hidden(c.v) };
}

onEachDevice("scores far apart neither overflow nor lose the sum", async (device) => {
  const heads = { numHeads: 4, numKvHeads: 2, headDim: 16 };
  const c = makeCase([{ start: 300, count: 3 }], heads, 9);
  // The likeliest position is in the second tile of keys, after a tile of scores near −1000. Keys are sixty-fourths, so that
  // f32 holds every score exactly: of a number near 1000 it would round off more than is allowed here.
  for (let i = 0; i < c.q.length; i++) c.q[i] = 30;
  for (let i = 0; i < c.k[0].length; i++)
    c.k[0][i] = Math.floor(i / 16) === 280 ? 10 : -10 + Math.round(8 * c.k[0][i]) / 64;
  const actual = await attend(device, heads, c, 64);
  checkClose(actual, gqaAttention(c.q, c.k[0], c.v[0], [300, 301, 302], heads), TOLERANCE);
});

function makeCase(slices: CaseSlice[], { numHeads, numKvHeads, headDim, kv: held }: HeadFacts, seed: number): Case {
  const tokens = slices.reduce((sum, { count }) => sum + count, 0);
  const kv = (offset: number) =>
    slices.map(({ start, count }, i) =>
      randomFloats((start + count) * numKvHeads * headDim, 100 * seed + 10 * i + offset),
    );
  const q = randomFloats(tokens * numHeads * headDim, 100 * seed).map((value) => 3 * value);
  const rounded = (rows: Float32Array) => rows.map((value) => decodeFloat16(encodeFloat16(value)));
  const [k, v] = [kv(1), kv(2)];
  return held === "f16" ? { slices, q, k: k.map(rounded), v: v.map(rounded) } : { slices, q, k, v };
}

/** Scatters K and V over pages of a pool of NaNs, and attends by a launch built for about that many tokens. */
async function attend(
  device: Device,
  heads: Omit<AttentionFacts, "tokens">,
  c: Case,
  builtFor: number,
): Promise<Float32Array<ArrayBuffer>> {
  const { numHeads, numKvHeads, headDim, kv } = heads;
  const pages = c.slices.map(({ start, count }) => Math.ceil((start + count) / 16));
  const total = pages.reduce((sum, count) => sum + count, 0) + 3;
  const pageFloats = 2 * 16 * numKvHeads * headDim;
  const pool = new Float32Array(total * pageFloats).fill(Number.NaN);
  // Every page once, in an order that a step coprime to their number gives; one unused number before each table.
  const stride = [7, 5, 3, 2].find((n) => total % n !== 0)!;
  let taken = 0;
  const blocks: number[] = [];
  const sequences: number[] = [];
  const tokens: number[] = [];
  for (const [i, { start, count }] of c.slices.entries()) {
    const own = Array.from({ length: pages[i] }, () => (taken++ * stride + 1) % total);
    sequences.push(tokens.length / 8, count, start, blocks.length + 1, i, 0, 0, 0);
    blocks.push(0x00ffffff, ...own);
    for (let p = 0; p < start + count; p++) {
      for (let head = 0; head < numKvHeads; head++) {
        const at = own[Math.floor(p / 16)] * pageFloats + (head * 16 + (p % 16)) * headDim;
        const row = (p * numKvHeads + head) * headDim;
        pool.set(c.k[i].subarray(row, row + headDim), at);
        pool.set(c.v[i].subarray(row, row + headDim), at + pageFloats / 2);
      }
    }
    for (let n = 0; n < count; n++) tokens.push(0, start + n, i, 0, start + n, 0, 0, 0);
  }
  const count = tokens.length / 8;
  const x = new Output(device, count * numHeads * headDim);
  const shape = stepShape({ tokens: count, sequences: c.slices.length });
  const views = {
    step: stepUniform(device, shape),
    tokens: allocateFrom(device, "tokens", new Uint32Array(tokens)),
    sequences: allocateFrom(device, "sequences", new Uint32Array(sequences)),
    blocks: allocateFrom(device, "blocks", new Uint32Array(blocks)),
    q: allocateFrom(device, "q", c.q),
    pool: allocateFrom(device, "pool", kv === "f16" ? Uint16Array.from(pool, encodeFloat16) : pool),
    x: x.view,
  };
  await run(device, [launch(attention, { ...heads, tokens: builtFor }, views)], shape);
  return x.read();
}
