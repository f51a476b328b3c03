// Matrices of GPTQ and AWQ: value [out, in] = scale · (code − zero), scale and zero of a group of inputs of that output.
// Codes lie in words of 32 bits, turned: qweight has the inputs as rows. GPTQ packs inputs (AutoGPTQ, qlinear_cuda_old.py),
// AWQ outputs, in an order of its own (AutoAWQ, gemm.py).

import { MoloraError } from "../../../proto/errors.ts";
import { readFloats } from "../floats.ts";
import type { RawTensor, StoredTensor } from "../tensor.ts";
import type { Companions } from "./companions.ts";
import { blocksOf, type GroupedRow } from "./grouped_blocks.ts";
import { PackedMatrix, type WriteRows } from "./packed_matrix.ts";
import type { Quantization } from "./quantization.ts";

/** Where output 8i + c of AWQ lies in a word: its nibble. */
const AWQ_NIBBLES = [0, 4, 1, 5, 2, 6, 3, 7] as const;

/** @throws MoloraError `tensor_missing`, `tensor_shape`, `unsupported_dtype`, `tensor_not_finite` */
export async function groupedMatrix(
  module: string,
  companions: Companions,
  quantization: Quantization,
): Promise<StoredTensor> {
  const { method } = quantization;
  if (method === "bitsandbytes") throw new MoloraError("internal", `${module} is not packed in groups`);
  const { bits } = quantization;
  const packing = method === "awq" ? AWQ : GPTQ[bits];
  const qweight = companions.raw(".qweight", "I32");
  const qzeros = companions.raw(".qzeros", "I32");
  const scales = companions.stored(".scales");
  const [rows, cols] = packing.shape(qweight.shape);
  const groups = scales.shape[0];
  for (const [{ name, shape }, expected] of [
    [qweight, packing.method === "awq" ? [cols, (rows * bits) / 32] : [(cols * bits) / 32, rows]],
    [qzeros, [groups, (rows * bits) / 32]],
    [scales, [groups, rows]],
  ] as const) {
    if (shape.length === 2 && shape[0] === expected[0] && shape[1] === expected[1]) continue;
    throw new MoloraError("tensor_shape", `${name} is [${shape.join(", ")}], not [${expected.join(", ")}]`, {
      remedy: "Config and weights belong to different models: fetch both again.",
      details: { tensor: name },
    });
  }

  const zeroOffset = method === "gptq" ? quantization.zeroOffset : 0;
  const zeroWords = wordsOf(await readAll(qzeros));
  const zeroAt = (group: number, row: number) => packing.zero(zeroWords, (rows * bits) / 32, group, row) + zeroOffset;
  const groupOf = await groupsOfInputs(companions, cols, groups);
  const blocks = blocksOf({
    bits,
    groupSize: evenGroups(groupOf, groups),
    halfScales: scales.type === "f16",
    symmetric: allZerosAre(2 ** (bits - 1), zeroAt, groups, rows),
  });

  const open = async (): Promise<WriteRows> => {
    const [words, factors] = [wordsOf(await readAll(qweight)), await readFloats(scales)];
    const row: GroupedRow = {
      codes: new Uint8Array(cols),
      groupOf,
      scales: new Float32Array(groups),
      zeros: new Int16Array(groups),
    };
    return (from, to, out) => {
      const bytes = out.length / (to - from);
      for (let r = from; r < to; r++) {
        packing.codes(words, rows, r, row.codes);
        for (let g = 0; g < groups; g++) {
          row.scales[g] = factors[g * rows + r];
          row.zeros[g] = zeroAt(g, r);
        }
        blocks.write(row, out.subarray((r - from) * bytes, (r - from + 1) * bytes));
      }
    };
  };
  return new PackedMatrix(`${module}.weight`, blocks.type, [rows, cols], open);
}

/** How a method packs codes. */
interface Packing {
  method: "gptq" | "awq";
  /** [outputs, inputs] of a qweight's shape. */
  shape(qweight: readonly number[]): readonly [rows: number, cols: number];
  /** All codes of output `row`. */
  codes(words: Uint32Array, rows: number, row: number, out: Uint8Array): void;
  zero(words: Uint32Array, stride: number, group: number, row: number): number;
}

function gptqOf(bits: 4 | 8): Packing {
  const count = 32 / bits;
  const mask = 2 ** bits - 1;
  return {
    method: "gptq",
    shape: ([words, rows]) => [rows, words * count],
    codes(words, rows, row, out) {
      for (let k = 0, at = row; k < out.length; at += rows) {
        for (let shift = 0, word = words[at]; shift < 32; shift += bits) out[k++] = (word >>> shift) & mask;
      }
    },
    zero: (words, stride, group, row) =>
      (words[group * stride + Math.floor(row / count)] >>> (bits * (row % count))) & mask,
  };
}

const GPTQ = { 4: gptqOf(4), 8: gptqOf(8) } as const;

const AWQ: Packing = {
  method: "awq",
  shape: ([cols, words]) => [words * 8, cols],
  codes(words, rows, row, out) {
    const shift = 4 * AWQ_NIBBLES[row & 7];
    for (let k = 0, at = row >> 3; k < out.length; k++, at += rows / 8) out[k] = (words[at] >>> shift) & 15;
  },
  zero: (words, stride, group, row) => (words[group * stride + (row >> 3)] >>> (4 * AWQ_NIBBLES[row & 7])) & 15,
};

/** The group of every input: g_idx, which act-order fills as it likes, else one behind the other. */
async function groupsOfInputs(companions: Companions, cols: number, groups: number): Promise<Uint32Array> {
  if (!companions.has(".g_idx")) return Uint32Array.from({ length: cols }, (_, k) => Math.floor((k * groups) / cols));
  const stated = companions.raw(".g_idx", "I32");
  const found = wordsOf(await readAll(stated));
  if (found.length === cols && found.every((group) => group < groups)) return found;
  throw new MoloraError("tensor_shape", `${stated.name} does not give each of ${cols} inputs one of ${groups} groups`, {
    remedy: "The file is damaged: fetch or export it again.",
    details: { tensor: stated.name },
  });
}

/** Inputs of a group where all have as many, side by side and in order; undefined otherwise. */
function evenGroups(groupOf: Uint32Array, groups: number): number | undefined {
  const size = groupOf.length / groups;
  return Number.isInteger(size) && groupOf.every((group, k) => group === Math.floor(k / size)) ? size : undefined;
}

function allZerosAre(
  zero: number,
  zeroAt: (group: number, row: number) => number,
  groups: number,
  rows: number,
): boolean {
  for (let group = 0; group < groups; group++) {
    for (let row = 0; row < rows; row++) if (zeroAt(group, row) !== zero) return false;
  }
  return true;
}

function readAll(tensor: RawTensor): Promise<Uint8Array> {
  return tensor.read(0, tensor.bytes);
}

/** Bytes of a file as words, copied: they may begin anywhere. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer);
}
