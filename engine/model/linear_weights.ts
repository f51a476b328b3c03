// Brings the weights of one linear layer from a file onto the device, in a format the linear kernel reads.
// Several tensors (q, k, v) become one matrix by joining their rows.

import { dequantizeRows } from "../../files/weights/stored/dequantize.ts";
import { deviceFormat, type WeightDtype } from "../../files/weights/stored/device_format.ts";
import { checkFinite } from "../../files/weights/stored/finite.ts";
import { BEYOND_HALF } from "../../files/weights/stored/format.ts";
import { STORED } from "../../files/weights/stored/formats.ts";
import { layoutOf, type WeightLayout } from "../../files/weights/stored/layout.ts";
import type { StoredTensor } from "../../files/weights/tensor.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type DeviceFormat, FORMAT_COLUMNS } from "../../shaders/formats/device_format.ts";
import type { Device } from "../device/device.ts";
import type { View } from "../device/memory.ts";

/** Rows [firstRow, firstRow + rows) of a matrix: as many as one binding holds, in one format. */
export interface LinearShard {
  readonly format: DeviceFormat;
  readonly quants: View;
  /** A small unused buffer for f32 and f16. */
  readonly scales: View;
  readonly firstRow: number;
  readonly rows: number;
}

/** A matrix [rows, cols] on the device. */
export interface LinearWeights {
  readonly rows: number;
  readonly cols: number;
  readonly shards: readonly LinearShard[];
}

/** Stored bytes read at a time: what is made of them stays in a core's cache, and packing them holds no event loop. */
const CHUNK_BYTES = 1 << 18;
/** Bytes after which to wait for the device, so that upload staging does not pile up. */
const FLUSH_BYTES = 64 << 20;
/** Shards begin at a multiple of this, so that tiles of rows rarely straddle two. */
const SHARD_ROWS = 64;
/** Most rows of a shard: a launch has at most 65535 workgroups a side, of at least 4 rows each. */
export const MOST_SHARD_ROWS = 1 << 17;

/**
 * Uploads `parts`, matrices of equal column count, joined by rows.
 *
 * The format is what files/weights/stored/device_format.ts says of type and `dtype`; parts side by side whose formats
 * differ become shards of their own, or with `together` f32. It becomes f32, which holds every stored type but f64 without
 * loss, too when the columns do not fill the format's blocks (FORMAT_COLUMNS), or when a value lies beyond half precision
 * (±65504). `onBytes` gets stored bytes as they are read; a fall back to f32 part-way reads, and counts, again.
 *
 * @throws MoloraError `tensor_not_finite`, `tensor_shape` (unequal columns, or not a multiple of 4), `gpu_limit`
 */
export async function uploadLinear(
  device: Device,
  parts: readonly StoredTensor[],
  dtype: WeightDtype,
  { onBytes, together = false }: { onBytes?: (bytes: number) => void; together?: boolean } = {},
): Promise<LinearWeights> {
  const cols = commonColumns(parts);
  const shards: LinearShard[] = [];
  let rows = 0;
  try {
    for (const { format, parts: run } of runsOf(parts, cols, dtype, together)) {
      const stored = sharesGroups(run, device.wishes.panelRows) ? run.map(asFloats) : run;
      const held =
        (await upload(device, stored, cols, format, onBytes)) ?? (await upload(device, stored, cols, "f32", onBytes))!;
      for (const shard of held) shards.push({ ...shard, firstRow: rows + shard.firstRow });
      rows += run.reduce((sum, { shape }) => sum + shape[0], 0);
    }
  } catch (error) {
    freeShards(device, shards);
    throw error;
  }
  return { rows, cols, shards };
}

/** Parts side by side that are held in one format. */
interface Run {
  format: DeviceFormat;
  parts: StoredTensor[];
}

function runsOf(parts: readonly StoredTensor[], cols: number, dtype: WeightDtype, together: boolean): Run[] {
  const runs: Run[] = [];
  for (const part of parts) {
    const wanted = deviceFormat(part.type, dtype);
    const format = cols % FORMAT_COLUMNS[wanted] === 0 ? wanted : "f32";
    const last = runs.at(-1);
    if (last?.format === format) last.parts.push(part);
    else runs.push({ format, parts: [part] });
  }
  return together && runs.length > 1 ? [{ format: "f32", parts: [...parts] }] : runs;
}

/** Whether rows of unlike types come into one group, which only floats can share. */
function sharesGroups(parts: readonly StoredTensor[], together: number): boolean {
  const unlike = new Set(parts.map(({ type }) => type)).size > 1;
  return unlike && parts.slice(0, -1).some(({ shape }) => shape[0] % together !== 0);
}

/** The same values as float32. */
function asFloats(part: StoredTensor): StoredTensor {
  const count = part.shape[0] * part.shape[1];
  const readRows = async (from: number, to: number) => {
    const floats = new Float32Array((to - from) * part.shape[1]);
    const bytes = await part.readRows(from, to);
    checkFinite(part.name, part.type, bytes);
    dequantizeRows(part.type, bytes, floats);
    return new Uint8Array(floats.buffer);
  };
  return { name: part.name, type: "f32", shape: part.shape, bytes: 4 * count, readRows };
}

/** Frees the buffers of `weights`. */
export function freeLinear(device: Device, { shards }: LinearWeights): void {
  freeShards(device, shards);
}

function freeShards(device: Device, shards: readonly LinearShard[]): void {
  for (const { quants, scales } of shards) {
    device.free(quants);
    device.free(scales);
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

/** Undefined, with nothing left on the device, when a value lies beyond half precision. */
async function upload(
  device: Device,
  parts: readonly StoredTensor[],
  cols: number,
  format: DeviceFormat,
  onBytes: ((bytes: number) => void) | undefined,
): Promise<LinearShard[] | undefined> {
  const rows = parts.reduce((sum, { shape }) => sum + shape[0], 0);
  const label = parts.map(({ name }) => name).join(" + ");
  const layout = layoutOf(device.wishes.panelRows);
  const groupBytes = layout.bytes(format, cols);
  const shards = allocate(device, label, rows, layout, { format, ...groupBytes });
  let pending = 0;
  try {
    for await (const { part, bytes, firstRow } of readRows(parts, cols, layout)) {
      onBytes?.(bytes.length);
      checkFinite(part.name, part.type, bytes);
      const planes = layout.pack(part.type, bytes, format, cols);
      if (planes === BEYOND_HALF) {
        freeShards(device, shards);
        return undefined;
      }
      const group = firstRow / layout.rows;
      for (const plane of ["quants", "scales"] as const) {
        const data = planes[plane];
        if (data !== undefined) writeGroups(device, shards, plane, group, { layout, bytes: groupBytes[plane], data });
      }
      pending += bytes.length;
      if (pending >= FLUSH_BYTES) {
        await device.idle();
        pending = 0;
      }
    }
  } catch (error) {
    freeShards(device, shards);
    throw error;
  }
  return shards;
}

function allocate(
  device: Device,
  label: string,
  rows: number,
  { rows: together }: WeightLayout,
  { format, ...bytes }: { format: DeviceFormat; quants: number; scales: number },
): LinearShard[] {
  const most = Math.min(MOST_SHARD_ROWS, Math.floor(device.limits.viewBytes / bytes.quants) * together);
  const perShard = most >= rows ? rows : Math.max(1, most - (most % SHARD_ROWS));
  const shards: LinearShard[] = [];
  for (let firstRow = 0; firstRow < rows; firstRow += perShard) {
    const count = Math.min(perShard, rows - firstRow);
    const groups = Math.ceil(count / together);
    shards.push({
      format,
      quants: device.allocate(label, groups * bytes.quants),
      scales: device.allocate(`${label} scales`, groups * bytes.scales),
      firstRow,
      rows: count,
    });
  }
  return shards;
}

/**
 * Stored rows of all parts in order, a chunk at a time, each but the last of whole groups. `firstRow` counts through the
 * parts: where one ends within a group, its last rows come together with the next one's first, which are of its type then.
 */
async function* readRows(
  parts: readonly StoredTensor[],
  cols: number,
  { rows: together }: WeightLayout,
): AsyncGenerator<{ part: StoredTensor; bytes: Uint8Array; firstRow: number }> {
  let firstRow = 0;
  let rest = new Uint8Array(0);
  // What comes next is read while the caller works on what it has.
  let next = readChunk(parts, cols, together, { n: 0, from: 0 });
  while (next !== undefined) {
    const { n, to, bytes: reading } = next;
    const [part, rowBytes] = [parts[n], rowBytesOf(parts[n], cols)];
    const bytes = joined(rest, await reading);
    const isEnd = to === part.shape[0];
    next = readChunk(parts, cols, together, isEnd ? { n: n + 1, from: 0 } : { n, from: to });
    const count = bytes.length / rowBytes;
    const whole = next === undefined ? count : count - (count % together);
    if (whole > 0) yield { part, bytes: bytes.subarray(0, whole * rowBytes), firstRow };
    rest = bytes.slice(whole * rowBytes);
    firstRow += whole;
  }
}

/** Begins to read rows of the n-th part; undefined behind the last. */
function readChunk(
  parts: readonly StoredTensor[],
  cols: number,
  together: number,
  { n, from }: { n: number; from: number },
): { n: number; to: number; bytes: Promise<Uint8Array> } | undefined {
  const part = parts[n];
  if (part === undefined) return undefined;
  const atOnce = Math.max(together, Math.floor(CHUNK_BYTES / rowBytesOf(part, cols) / together) * together);
  const to = Math.min(part.shape[0], from + atOnce);
  const bytes = part.readRows(from, to);
  bytes.catch(() => {}); // whoever stops before it is awaited has failed already
  return { n, to, bytes };
}

function rowBytesOf({ type }: StoredTensor, cols: number): number {
  return (cols / STORED[type].elements) * STORED[type].bytes;
}

function joined(before: Uint8Array<ArrayBuffer>, bytes: Uint8Array): Uint8Array {
  if (before.length === 0) return bytes;
  const all = new Uint8Array(before.length + bytes.length);
  all.set(before);
  all.set(bytes, before.length);
  return all;
}

/** Writes groups of rows, from the matrix's `firstGroup` on, to the shards they fall into. */
function writeGroups(
  device: Device,
  shards: readonly LinearShard[],
  plane: "quants" | "scales",
  firstGroup: number,
  { layout, bytes, data }: { layout: WeightLayout; bytes: number; data: ArrayBufferView<ArrayBuffer> },
): void {
  const end = firstGroup + data.byteLength / bytes;
  for (const shard of shards) {
    const begin = shard.firstRow / layout.rows;
    const from = Math.max(firstGroup, begin);
    const to = Math.min(end, begin + Math.ceil(shard.rows / layout.rows));
    if (from >= to) continue;
    const part = new Uint8Array(data.buffer, data.byteOffset + (from - firstGroup) * bytes, (to - from) * bytes);
    device.write(shard[plane], part, (from - begin) * bytes);
  }
}
