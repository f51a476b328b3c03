// Paged attention over slices of several sequences, whose pages lie scattered in a pool of NaNs.

import { decodeFloat16, encodeFloat16 } from "../../../files/weights/stored/float16.ts";
import { attention } from "../../../shaders/layer/attention.ts";
import type { HeadFacts } from "../../../shaders/layer/rope_kv.ts";
import type { Compared, KernelCase } from "../case.ts";
import { compute, stepShape } from "../compute.ts";
import { randomFloats } from "../random.ts";
import { gqaAttention } from "../reference/gqa_attention.ts";

const PAGE_TOKENS = 16;
/** Sums of up to 700 weighted terms whose weights sum to 1, after an exp. */
const TOLERANCE = 2e-5;

/** Positions [start, start + count) of a sequence whose earlier positions are in its pages. */
export interface CaseSlice {
  start: number;
  count: number;
}

/** `builtFor`: about how many tokens the launch is built for. */
export function attentionCase(heads: HeadFacts, slices: readonly CaseSlice[], builtFor: number): KernelCase {
  const { numHeads, numKvHeads, headDim, kv: held = "f32" } = heads;
  const positions = slices.map(({ start, count }) => `${start}…${start + count - 1}`).join(", ");
  return {
    kernel: "attention",
    name: `${numHeads} heads over ${numKvHeads} of ${headDim}, KV in ${held}, positions ${positions}, built for ${builtFor}`,
    async run(device) {
      const tokens = slices.reduce((sum, { count }) => sum + count, 0);
      const width = numHeads * headDim;
      const q = randomFloats(tokens * width, 1).map((value) => 3 * value);
      const stored = (value: number) => (held === "f16" ? decodeFloat16(encodeFloat16(value)) : value);
      const kv = (seed: number) =>
        slices.map(({ start, count }, i) => randomFloats((start + count) * numKvHeads * headDim, seed + i).map(stored));
      const [k, v] = [kv(10), kv(20)];
      const arrays = { q, ...paged(heads, slices, k, v), x: new Float32Array(tokens * width) };
      const shape = stepShape({ tokens, sequences: slices.length });
      const { x } = await compute(device, attention, { ...heads, tokens: builtFor }, shape, arrays);
      let first = 0;
      return slices.map(({ start, count }, i): Compared => {
        const [from, to] = [first * width, (first + count) * width];
        first += count;
        const at = Array.from({ length: count }, (_, n) => start + n);
        const expected = gqaAttention(q.subarray(from, to), k[i], v[i], at, heads);
        return { actual: x.subarray(from, to), expected, tolerance: TOLERANCE };
      });
    },
  };
}

/** The arrays of a step, and K and V in pages that take turns over the pool. */
function paged(
  { numKvHeads, headDim, kv }: HeadFacts,
  slices: readonly CaseSlice[],
  k: readonly Float32Array[],
  v: readonly Float32Array[],
) {
  const pages = slices.map(({ start, count }) => Math.ceil((start + count) / PAGE_TOKENS));
  const total = pages.reduce((sum, count) => sum + count, 0) + 3;
  const pageFloats = 2 * PAGE_TOKENS * numKvHeads * headDim;
  const pool = new Float32Array(total * pageFloats).fill(Number.NaN);
  const stride = [7, 5, 3, 2].find((n) => total % n !== 0) ?? 1;
  let taken = 0;
  const blocks: number[] = [];
  const sequences: number[] = [];
  const tokens: number[] = [];
  for (const [i, { start, count }] of slices.entries()) {
    const own = Array.from({ length: pages[i] }, () => (taken++ * stride + 1) % total);
    sequences.push(tokens.length / 8, count, start, blocks.length, i, 0, 0, 0);
    blocks.push(...own);
    for (let p = 0; p < start + count; p++) {
      for (let head = 0; head < numKvHeads; head++) {
        const page = own[Math.floor(p / PAGE_TOKENS)] * pageFloats;
        const at = page + (head * PAGE_TOKENS + (p % PAGE_TOKENS)) * headDim;
        const row = (p * numKvHeads + head) * headDim;
        pool.set(k[i].subarray(row, row + headDim), at);
        pool.set(v[i].subarray(row, row + headDim), at + pageFloats / 2);
      }
    }
    for (let n = 0; n < count; n++) tokens.push(0, start + n, i, 0, start + n, 0, 0, 0);
  }
  const words = (numbers: readonly number[]) => Uint32Array.from(numbers);
  const cells = kv === "f16" ? new Uint32Array(Uint16Array.from(pool, encodeFloat16).buffer) : pool;
  return { tokens: words(tokens), sequences: words(sequences), blocks: words(blocks), pool: cells };
}
