// rope_kv where q and k are normed or heads are turned in part; test/shaders/lora/lora.test.ts has the plain one, and adapters.

import { rmsNorm } from "../../../cli/check/reference/rms_norm.ts";
import { allocateFrom } from "../../../engine/device/device.ts";
import { decodeFloat16 } from "../../../files/weights/stored/float16.ts";
import { launch } from "../../../shaders/kernel.ts";
import { type RopeKvFacts, ropeKv } from "../../../shaders/layer/rope_kv.ts";
import { NO_LORA } from "../../../shaders/lora/lora_form.ts";
import { partialRope } from "../../reference/family_facts.ts";
import { checkClose, onEachDevice, randomFloats, run } from "../device.ts";
import { Output } from "../outputs.ts";
import { stepShape, stepUniform } from "../step_case.ts";

const TOKENS = [1, 5, 18];
const EPS = 1e-5;

const CASES: Omit<RopeKvFacts, "lora">[] = [
  { numHeads: 4, numKvHeads: 2, headDim: 16, norm: { per: "head", eps: EPS } },
  { numHeads: 3, numKvHeads: 1, headDim: 64, norm: { per: "head", eps: EPS } },
  { numHeads: 2, numKvHeads: 1, headDim: 264, norm: { per: "head", eps: EPS } },
  { numHeads: 4, numKvHeads: 2, headDim: 16, norm: { per: "projection", eps: EPS } },
  { numHeads: 9, numKvHeads: 3, headDim: 64, norm: { per: "projection", eps: EPS } },
  { numHeads: 4, numKvHeads: 2, headDim: 16, rotaryDim: 12 },
  { numHeads: 3, numKvHeads: 3, headDim: 96, rotaryDim: 48 },
  { numHeads: 4, numKvHeads: 2, headDim: 16, rotaryDim: 8, norm: { per: "head", eps: EPS } },
  { numHeads: 4, numKvHeads: 2, headDim: 16, kv: "f16" },
  { numHeads: 4, numKvHeads: 2, headDim: 16, kv: "f16", norm: { per: "projection", eps: EPS } },
];

for (const facts of CASES) {
  onEachDevice(`rope_kv, ${JSON.stringify(facts)}: equals float64`, async (device) => {
    const { numHeads, numKvHeads, headDim, rotaryDim = headDim, norm, kv } = facts;
    const [qRows, kvRows] = [numHeads * headDim, numKvHeads * headDim];
    const [normQ, normK] = norm?.per === "projection" ? [qRows, kvRows] : [headDim, headDim];
    const weights = randomFloats(normQ + normK, 1);
    const frequencies = Float64Array.from({ length: rotaryDim / 2 }, (_, i) => 100 ** ((-2 * i) / rotaryDim));
    const table = Float32Array.from({ length: 64 * rotaryDim }, (_, i) => {
      const angle = Math.floor(i / rotaryDim) * frequencies[Math.floor((i % rotaryDim) / 2)];
      return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
    });
    for (const count of TOKENS) {
      const shape = stepShape({ tokens: count });
      const positions = Array.from({ length: count }, (_, t) => (7 * t + 3) % 64);
      // Cells of pages 1 and 2, some after others that stay untouched.
      const cells = positions.map((_, t) => 16 + ((5 * t) % 32));
      const qkv = randomFloats(count * (qRows + 2 * kvRows), 2);
      const q = new Output(device, count * qRows);
      const words = (3 * 2 * 16 * kvRows) / (kv === "f16" ? 2 : 1);
      const pool = new Output(device, words, new Float32Array(words));
      const views = {
        step: stepUniform(device, shape),
        tokens: allocateFrom(
          device,
          "t",
          new Uint32Array(positions.flatMap((p, t) => [0, p, 0, cells[t], p, 0, 0, 0])),
        ),
        qkv: allocateFrom(device, "qkv", qkv),
        rotations: allocateFrom(device, "r", table),
        ...(norm && { qk_norm: allocateFrom(device, "w", weights) }),
        q: q.view,
        pool: pool.view,
      };
      await run(device, [launch(ropeKv, { ...facts, lora: NO_LORA }, views)], shape);
      const all = qRows + 2 * kvRows;
      const part = (first: number, rows: number) => qkv.filter((_, i) => i % all >= first && i % all < first + rows);
      const normed = (rows: Float32Array, weight: Float32Array) => (norm ? rmsNorm(rows, weight, EPS) : rows);
      const turned = (rows: Float32Array | Float64Array, heads: number) =>
        partialRope(rows, positions, heads, frequencies, headDim);
      const expectedQ = turned(normed(part(0, qRows), weights.subarray(0, normQ)), numHeads);
      const expectedK = turned(normed(part(qRows, kvRows), weights.subarray(normQ)), numKvHeads);
      const expectedV = part(qRows + kvRows, kvRows);
      checkClose(await q.read(), expectedQ, 1e-5);
      const expectedPool = new Float64Array(3 * 2 * 16 * kvRows);
      for (const [t, cell] of cells.entries()) {
        for (let head = 0; head < numKvHeads; head++) {
          const at = Math.floor(cell / 16) * 2 * 16 * kvRows + (head * 16 + (cell % 16)) * headDim;
          const from = t * kvRows + head * headDim;
          expectedPool.set(expectedK.subarray(from, from + headDim), at);
          expectedPool.set(expectedV.subarray(from, from + headDim), at + 16 * kvRows);
        }
      }
      if (kv === "f16") {
        const words = await pool.readWords();
        const halves = new Uint16Array(words.buffer, words.byteOffset, 2 * words.length);
        checkClose(Float32Array.from(halves, decodeFloat16), expectedPool, 2 ** -11 + 1e-5);
      } else checkClose(await pool.read(), expectedPool, 1e-5);
    }
  });
}
