// Stored bytes to float32, for every stored type.
// It knows nothing of tensors or files: whole blocks in, their elements out.

import { MoloraError } from "../../../proto/errors.ts";
import { STORED, type StoredType } from "../tensor.ts";
import { float16Table } from "./float16.ts";

/**
 * Writes the elements of `bytes` to `out`. Exact for plain types; for GGUF blocks of 32 (ggml-quants.c) the value is
 * `d·q` (q8_0, q4_0 with q − 8) or `d·q + m` (q4_1), with d and m halves, rounded once to float32.
 * `bytes` may start at any alignment and must hold exactly as many blocks as `out` has elements for.
 */
export function dequantizeRows(type: StoredType, bytes: Uint8Array, out: Float32Array): void {
  const block = STORED[type];
  if (bytes.length * block.elements !== out.length * block.bytes) {
    throw new MoloraError("internal", `${bytes.length} bytes of ${type} are not ${out.length} elements`);
  }
  DECODERS[type](bytes, out);
}

const DECODERS: Record<StoredType, (bytes: Uint8Array, out: Float32Array) => void> = {
  f32: (bytes, out) => new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes),
  f16: decodeHalves,
  bf16: decodeBrainFloats,
  q8_0: decodeQ8,
  q4_0: (bytes, out) => decodeQ4(bytes, out, false),
  q4_1: (bytes, out) => decodeQ4(bytes, out, true),
};

function decodeHalves(bytes: Uint8Array, out: Float32Array): void {
  const half = float16Table();
  for (let i = 0; i < out.length; i++) out[i] = half[bytes[2 * i] | (bytes[2 * i + 1] << 8)];
}

function decodeBrainFloats(bytes: Uint8Array, out: Float32Array): void {
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < words.length; i++) words[i] = (bytes[2 * i] << 16) | (bytes[2 * i + 1] << 24);
}

/** Block: d (half), 32 signed bytes. */
function decodeQ8(bytes: Uint8Array, out: Float32Array): void {
  const half = float16Table();
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let b = 0; b * 32 < out.length; b++) {
    const at = b * STORED.q8_0.bytes;
    const d = half[bytes[at] | (bytes[at + 1] << 8)];
    for (let i = 0; i < 32; i++) out[b * 32 + i] = d * signed[at + 2 + i];
  }
}

/** Block: d (half), in q4_1 also m (half), then 16 bytes: low nibbles are elements 0…15, high nibbles 16…31. */
function decodeQ4(bytes: Uint8Array, out: Float32Array, offset: boolean): void {
  const half = float16Table();
  const size = offset ? STORED.q4_1.bytes : STORED.q4_0.bytes;
  for (let b = 0; b * 32 < out.length; b++) {
    const at = b * size;
    const d = half[bytes[at] | (bytes[at + 1] << 8)];
    const m = offset ? half[bytes[at + 2] | (bytes[at + 3] << 8)] : -8 * d;
    const nibbles = at + size - 16;
    for (let i = 0; i < 16; i++) {
      out[b * 32 + i] = d * (bytes[nibbles + i] & 15) + m;
      out[b * 32 + 16 + i] = d * (bytes[nibbles + i] >> 4) + m;
    }
  }
}
