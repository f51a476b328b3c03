// Brings the weights of one linear layer from a file onto the device, in a format the linear kernel reads.
// It knows nothing of which layer it is; several tensors (q, k, v) become one matrix by joining their rows.

import { checkFinite } from "../../files/weights/stored/finite.ts";
import { BEYOND_HALF, PLANE_BYTES, repack } from "../../files/weights/stored/linear_repack.ts";
import { STORED, type StoredTensor } from "../../files/weights/tensor.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type DeviceFormat, FORMAT_COLUMNS } from "../../shaders/linear.ts";
import type { WeightDtype } from "../engine_options.ts";
import type { Buffers, View } from "../gpu/buffers.ts";
import type { Gpu } from "../gpu/gpu.ts";

export type { WeightDtype };

/** Rows [firstRow, firstRow + rows) of a matrix: as many as one binding holds. */
export interface LinearShard {
  readonly quants: View;
  /** A small unused buffer for f32 and f16. */
  readonly scales: View;
  readonly firstRow: number;
  readonly rows: number;
}

/** A matrix [rows, cols] on the device. */
export interface LinearWeights {
  readonly format: DeviceFormat;
  readonly rows: number;
  readonly cols: number;
  readonly shards: readonly LinearShard[];
}

/** Stored bytes read at a time. */
const CHUNK_BYTES = 4 << 20;
/** Bytes after which to wait for the device, so that upload staging does not pile up. */
const FLUSH_BYTES = 64 << 20;
/** Shards begin at a multiple of this, so that tiles of rows rarely straddle two. */
const SHARD_ROWS = 64;
/** Most rows of a shard: a launch has at most 65535 workgroups a side, of at least 4 rows each. */
const MOST_SHARD_ROWS = 1 << 17;

/**
 * Uploads `parts`, matrices of equal column count, joined by rows.
 *
 * The format: `dtype` for dense weights; stored q8_0, q4_0 and q4_1 stay as they are unless `dtype` is f32. It becomes
 * f32, which holds every stored type without loss, when the parts' formats differ, when the columns do not fill the
 * format's blocks (FORMAT_COLUMNS), or when a value lies beyond half precision (±65504).
 * `onBytes` gets stored bytes as they are read; a fall back to f32 part-way reads, and counts, again.
 *
 * @throws MoloraError `tensor_not_finite`, `tensor_shape` (unequal columns, or not a multiple of 4), `gpu_limit`
 */
export async function uploadLinear(
  gpu: Gpu,
  buffers: Buffers,
  parts: readonly StoredTensor[],
  dtype: WeightDtype,
  onBytes?: (bytes: number) => void,
): Promise<LinearWeights> {
  const cols = commonColumns(parts);
  const format = commonFormat(parts, cols, dtype);
  const weights = await upload(gpu, buffers, parts, cols, format, onBytes);
  return weights ?? (await upload(gpu, buffers, parts, cols, "f32", onBytes))!;
}

/** Frees the buffers of `weights`. */
export function freeLinear(buffers: Buffers, weights: LinearWeights): void {
  for (const { quants, scales } of weights.shards) {
    buffers.free(quants);
    buffers.free(scales);
  }
}

function commonColumns(parts: readonly StoredTensor[]): number {
  const [first] = parts;
  const cols = columnsOf(first);
  const other = parts.find((part) => columnsOf(part) !== cols);
  if (other !== undefined) {
    throw new MoloraError(
      "tensor_shape",
      `${other.name} has ${columnsOf(other)} columns, ${first.name} beside it has ${cols}`,
      { remedy: "Check that the weights belong to the configuration beside them." },
    );
  }
  if (cols % FORMAT_COLUMNS.f32 !== 0) {
    throw new MoloraError("tensor_shape", `${first.name} has ${cols} columns, no multiple of ${FORMAT_COLUMNS.f32}`, {
      remedy: "Pad the model's sizes to multiples of 4.",
    });
  }
  return cols;
}

function columnsOf({ name, shape }: StoredTensor): number {
  if (shape.length !== 2 || shape[0] === 0 || shape[1] === 0) {
    throw new MoloraError(
      "tensor_shape",
      `${name} has the shape [${shape.join(", ")}], a linear layer's has two sizes`,
    );
  }
  return shape[1];
}

function commonFormat(parts: readonly StoredTensor[], cols: number, dtype: WeightDtype): DeviceFormat {
  const formats = new Set(parts.map(({ type }) => formatOf(type, dtype)));
  const [format] = formats;
  return formats.size > 1 || cols % FORMAT_COLUMNS[format] !== 0 ? "f32" : format;
}

function formatOf(type: StoredTensor["type"], dtype: WeightDtype): DeviceFormat {
  if (dtype === "f32") return "f32";
  switch (type) {
    case "q8_0":
      return "q8_0";
    case "q4_0":
    case "q4_1":
      return "q4";
    case "f32":
      return dtype === "auto" ? "f32" : dtype;
    case "f16":
    case "bf16":
      return dtype === "auto" ? "f16" : dtype;
  }
}

/** Undefined, with nothing left on the device, when a value lies beyond half precision. */
async function upload(
  gpu: Gpu,
  buffers: Buffers,
  parts: readonly StoredTensor[],
  cols: number,
  format: DeviceFormat,
  onBytes: ((bytes: number) => void) | undefined,
): Promise<LinearWeights | undefined> {
  const rows = parts.reduce((sum, { shape }) => sum + shape[0], 0);
  const label = parts.map(({ name }) => name).join(" + ");
  const rowBytes = PLANE_BYTES[format](cols);
  const shards = allocate(gpu, buffers, label, rows, rowBytes);
  const weights = { format, rows, cols, shards };
  let pending = 0;
  try {
    for await (const { part, bytes, firstRow } of readRows(parts, cols)) {
      onBytes?.(bytes.length);
      checkFinite(part.name, part.type, bytes);
      const planes = repack(part.type, bytes, format);
      if (planes === BEYOND_HALF) {
        freeLinear(buffers, weights);
        return undefined;
      }
      writeRows(gpu, shards, "quants", firstRow, rowBytes.quants, planes.quants);
      if (planes.scales !== undefined) writeRows(gpu, shards, "scales", firstRow, rowBytes.scales, planes.scales);
      gpu.queue.submit([]);
      pending += bytes.length;
      if (pending >= FLUSH_BYTES) {
        await gpu.queue.onSubmittedWorkDone();
        pending = 0;
      }
    }
  } catch (error) {
    freeLinear(buffers, weights);
    throw error;
  }
  return weights;
}

function allocate(
  gpu: Gpu,
  buffers: Buffers,
  label: string,
  rows: number,
  rowBytes: { quants: number; scales: number },
): LinearShard[] {
  const most = Math.min(MOST_SHARD_ROWS, Math.floor(gpu.limits.maxStorageBufferBindingSize / rowBytes.quants));
  const perShard = most >= rows ? rows : Math.max(1, most - (most % SHARD_ROWS));
  const shards: LinearShard[] = [];
  for (let firstRow = 0; firstRow < rows; firstRow += perShard) {
    const count = Math.min(perShard, rows - firstRow);
    shards.push({
      quants: buffers.storage(label, count * rowBytes.quants),
      scales: buffers.storage(`${label} scales`, count * rowBytes.scales),
      firstRow,
      rows: count,
    });
  }
  return shards;
}

/** Stored rows of all parts in order, a chunk at a time. `firstRow` counts through the parts. */
async function* readRows(
  parts: readonly StoredTensor[],
  cols: number,
): AsyncGenerator<{ part: StoredTensor; bytes: Uint8Array; firstRow: number }> {
  let before = 0;
  for (const part of parts) {
    const rows = part.shape[0];
    const rowBytes = (cols / STORED[part.type].elements) * STORED[part.type].bytes;
    const atOnce = Math.max(1, Math.floor(CHUNK_BYTES / rowBytes));
    for (let from = 0; from < rows; from += atOnce) {
      const bytes = await part.readRows(from, Math.min(rows, from + atOnce));
      yield { part, bytes, firstRow: before + from };
    }
    before += rows;
  }
}

/** Writes rows that begin at `firstRow` of the matrix to the shards they fall into. */
function writeRows(
  gpu: Gpu,
  shards: readonly LinearShard[],
  plane: "quants" | "scales",
  firstRow: number,
  rowBytes: number,
  data: ArrayBufferView<ArrayBuffer>,
): void {
  const end = firstRow + data.byteLength / rowBytes;
  for (const shard of shards) {
    const from = Math.max(firstRow, shard.firstRow);
    const to = Math.min(end, shard.firstRow + shard.rows);
    if (from >= to) continue;
    const { buffer, offset } = shard[plane];
    gpu.queue.writeBuffer(
      buffer,
      offset + (from - shard.firstRow) * rowBytes,
      data.buffer,
      data.byteOffset + (from - firstRow) * rowBytes,
      (to - from) * rowBytes,
    );
  }
}
