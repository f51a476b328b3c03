// Matrices of bitsandbytes' 4-bit types: value = map[code] · absmax of its block, rounded to the type the matrix had; of every
// byte the high nibble is the first element (bitsandbytes/functional.py: QuantState, dequantize_4bit).

import { MoloraError } from "../../../proto/errors.ts";
import { readFloats } from "../floats.ts";
import { encodeFloat16 } from "../stored/float16.ts";
import type { StoredType } from "../stored/formats.ts";
import type { StoredTensor } from "../tensor.ts";
import type { Companions } from "./companions.ts";
import { PackedMatrix, type WriteRows } from "./packed_matrix.ts";
import type { Quantization } from "./quantization.ts";

/** What the file says of a matrix beside its codes, as JSON. */
interface State {
  type: StoredType;
  rows: number;
  cols: number;
  blockSize: number;
  /** Where absmax is quantised itself. */
  nested?: { blockSize: number; offset: number };
}

const TYPES: Readonly<Record<string, "f32" | "f16" | "bf16">> = { float32: "f32", float16: "f16", bfloat16: "bf16" };

/** @throws MoloraError `tensor_missing`, `tensor_shape`, `unsupported_dtype`, `header_invalid`, `tensor_not_finite` */
export async function bitsandbytesMatrix(
  module: string,
  companions: Companions,
  quantization: Quantization,
): Promise<StoredTensor> {
  if (quantization.method !== "bitsandbytes") throw new MoloraError("internal", `${module} is not of bitsandbytes`);
  const codes = companions.raw(".weight", "U8");
  const state = await readState(module, companions, quantization.type);
  const { rows, cols, blockSize } = state;
  if (codes.bytes * 2 !== rows * cols || cols % 2 !== 0) {
    throw new MoloraError("tensor_shape", `${codes.name} has ${2 * codes.bytes} codes, not [${rows}, ${cols}]`, {
      remedy: "The file is damaged: fetch or export it again.",
      details: { tensor: codes.name },
    });
  }
  const open = async (): Promise<WriteRows> => {
    const map = await readFloats(companions.stored(".weight.quant_map"));
    const absmax = await readAbsmax(companions, state);
    if (map.length !== 16 || absmax.length !== Math.ceil((rows * cols) / blockSize)) {
      throw new MoloraError("tensor_shape", `${module}: ${map.length} values of codes, ${absmax.length} blocks`);
    }
    const bytes = await codes.read(0, codes.bytes);
    const rounded = ROUNDED[state.type as keyof typeof ROUNDED];
    const writeRow = new Float32Array(cols);
    return (from, to, out) => {
      for (let r = from; r < to; r++) {
        for (let k = 0, at = r * cols; k < cols; k++, at++) {
          const code = (bytes[at >> 1] >> (at & 1 ? 0 : 4)) & 15;
          writeRow[k] = map[code] * absmax[Math.floor(at / blockSize)];
        }
        rounded(writeRow, out.subarray(((r - from) * out.length) / (to - from)));
      }
    };
  };
  return new PackedMatrix(`${module}.weight`, state.type, [rows, cols], open);
}

async function readState(module: string, companions: Companions, type: "nf4" | "fp4"): Promise<State> {
  const stored = companions.raw(`.weight.quant_state.bitsandbytes__${type}`, "U8");
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(new TextDecoder().decode(await stored.read(0, stored.bytes)));
  } catch (cause) {
    throw invalid(stored.name, "is not JSON", cause);
  }
  const { dtype, shape, blocksize, nested_blocksize: nestedSize, nested_offset: offset } = json;
  const held = TYPES[String(dtype)];
  const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
  if (held === undefined) throw invalid(stored.name, `names the type ${dtype}`);
  if (!isSize(blocksize) || !Array.isArray(shape) || shape.length !== 2 || !shape.every(isSize)) {
    throw invalid(stored.name, `gives ${module} no shape or no size of blocks`);
  }
  const state = { type: held, rows: shape[0], cols: shape[1], blockSize: blocksize };
  if (!companions.has(".weight.nested_absmax")) return state;
  if (!isSize(nestedSize) || typeof offset !== "number")
    throw invalid(stored.name, "does not say how absmax is packed");
  return { ...state, nested: { blockSize: nestedSize, offset } };
}

/** One a block: as stored, or of 8 bits with a map, a factor a block of them, and an offset. */
async function readAbsmax(companions: Companions, { nested }: State): Promise<Float32Array> {
  if (nested === undefined) return readFloats(companions.stored(".weight.absmax"));
  const codes = companions.raw(".weight.absmax", "U8");
  const map = await readFloats(companions.stored(".weight.nested_quant_map"));
  const factors = await readFloats(companions.stored(".weight.nested_absmax"));
  const offset = Math.fround(nested.offset);
  const bytes = await codes.read(0, codes.bytes);
  if (map.length !== 256 || factors.length !== Math.ceil(bytes.length / nested.blockSize)) {
    throw new MoloraError("tensor_shape", `${codes.name}: ${map.length} values of codes, ${factors.length} blocks`);
  }
  return Float32Array.from(
    bytes,
    (code, i) => Math.fround(map[code] * factors[Math.floor(i / nested.blockSize)]) + offset,
  );
}

/** Floats as bytes of a type, to the nearest. */
const ROUNDED = {
  f32(values: Float32Array, out: Uint8Array): void {
    out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  },
  f16(values: Float32Array, out: Uint8Array): void {
    const view = new DataView(out.buffer, out.byteOffset);
    for (let k = 0; k < values.length; k++) view.setUint16(2 * k, encodeFloat16(values[k]), true);
  },
  bf16(values: Float32Array, out: Uint8Array): void {
    const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
    const view = new DataView(out.buffer, out.byteOffset);
    for (let k = 0; k < words.length; k++) {
      view.setUint16(2 * k, (words[k] + 0x7fff + ((words[k] >>> 16) & 1)) >>> 16, true);
    }
  },
};

function invalid(name: string, reason: string, cause?: unknown): MoloraError {
  return new MoloraError("header_invalid", `${name} ${reason}`, {
    remedy: "The file is damaged, or written by another version: export it again with bitsandbytes.",
    ...(cause === undefined ? {} : { cause }),
  });
}
