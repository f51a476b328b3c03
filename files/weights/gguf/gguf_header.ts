// The header of a GGUF file: metadata and the tensor directory, with hard limits on everything it claims.
// Names, types and shapes are as the file has them.

import { MoloraError } from "../../../proto/errors.ts";
import { shown } from "../../shown.ts";
import { sliced } from "../../slices.ts";
import type { ByteSource } from "../../source.ts";
import type { TextList } from "../../text_list.ts";
import { checkPlacements, outOfRange } from "../placement.ts";
import { GgufCursor, HeaderEnds } from "./gguf_cursor.ts";
import { GGML_TYPES, type GgmlType, VALUE_TYPES, type ValueType } from "./gguf_types.ts";

/** A metadata value. 64-bit integers are bigints, everything else numeric is a number; an array of strings is a TextList. */
export type GgufValue = number | bigint | boolean | string | TextList | GgufValue[];

/** One tensor of the directory. `shape` is outermost first (the file has it innermost first); `begin` is in the file. */
export interface GgufTensorInfo {
  name: string;
  type: GgmlType;
  shape: number[];
  begin: number;
  end: number;
}

export interface GgufHeader {
  metadata: Map<string, GgufValue>;
  /** How the file states each metadata value; of an array, its elements' type too. */
  types: Map<string, { type: ValueType; of?: Exclude<ValueType, "array"> }>;
  tensors: GgufTensorInfo[];
}

/** Nothing a model needs comes near these; a claim beyond them is refused before a byte is read for it. */
const LIMITS = { headerBytes: 64 << 20, metadata: 1 << 16, tensors: 1 << 16, array: 1 << 21, string: 16 << 20 };
const MAX_DIMENSIONS = 4;
const FIRST_WINDOW = 1 << 20;
const MAGIC = 0x46554747;

/**
 * Reads and checks the header (GGUF 3; 2 is laid out the same). Reads a first megabyte, then four times as much each
 * time the header turns out longer. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 * @throws MoloraError `header_invalid`, `header_too_large`, `tensor_out_of_range`, `tensor_overlap`, `file_truncated`
 */
export async function readGgufHeader(source: ByteSource): Promise<GgufHeader> {
  const most = Math.min(source.size, LIMITS.headerBytes);
  const read: ReadEntries = { metadata: new Map(), types: new Map(), end: 0 };
  for (let window = Math.min(FIRST_WINDOW, most); ; window = Math.min(window * 4, most)) {
    try {
      return await sliced(parseHeader(source, await source.read(0, window), read));
    } catch (error) {
      if (!(error instanceof HeaderEnds)) throw error;
      if (window === source.size) {
        throw new MoloraError("file_truncated", `${source.name}: the file ends inside its header`, {
          remedy: "Fetch the file again; it is shorter than its header says.",
        });
      }
      if (window === most) {
        throw new MoloraError("header_too_large", `${source.name}: the header is longer than ${most} bytes`, {
          remedy: "This is not a GGUF file of a model, or it is damaged.",
        });
      }
    }
  }
}

/** Entries that a shorter window held, so that a vocabulary is not read again with the next one. */
interface ReadEntries extends Pick<GgufHeader, "metadata" | "types"> {
  /** Where the last of them ends in the file. */
  end: number;
}

/**
 * `bytes` is the beginning of the file. In steps.
 *
 * @throws HeaderEnds where the header goes on behind it.
 */
function* parseHeader(source: ByteSource, bytes: Uint8Array, read: ReadEntries): Generator<undefined, GgufHeader> {
  const cursor = new GgufCursor(source.name, bytes);
  if (cursor.u32() !== MAGIC) throw cursor.invalid("it does not begin with GGUF");
  const version = cursor.u32();
  if (version !== 2 && version !== 3) {
    throw cursor.invalid(version > 0xffffff ? "big-endian files are not read" : `version ${version} is not read`);
  }
  const tensorCount = cursor.count("tensors", LIMITS.tensors);
  const metadataCount = cursor.count("metadata entries", LIMITS.metadata);

  const { metadata, types } = read;
  cursor.offset = Math.max(cursor.offset, read.end);
  while (metadata.size < metadataCount) {
    const key = cursor.string(LIMITS.string);
    if (metadata.has(key)) throw cursor.invalid(`metadata key ${shown(key)} appears twice`);
    const { value, ...type } = yield* readValue(cursor, cursor.u32());
    metadata.set(key, value);
    types.set(key, type);
    read.end = cursor.offset;
  }
  const tensors: GgufTensorInfo[] = [];
  for (let i = 0; i < tensorCount; i++) tensors.push(readTensorInfo(cursor));
  if (new Set(tensors.map((tensor) => tensor.name)).size < tensorCount) {
    throw cursor.invalid("a tensor name appears twice");
  }
  placeTensors(source, cursor, tensors, readAlignment(cursor, metadata));
  return { metadata, types, tensors };
}

type TypedGgufValue = { value: GgufValue; type: ValueType; of?: Exclude<ValueType, "array"> };

/** Elements of an array between two steps. */
const STEP = 1 << 14;

function* readValue(cursor: GgufCursor, typeNumber: number): Generator<undefined, TypedGgufValue> {
  const type = valueType(cursor, typeNumber);
  if (type !== "array") return { value: readScalar(cursor, type), type };
  const of = valueType(cursor, cursor.u32());
  if (of === "array") throw cursor.invalid("arrays of arrays are not read");
  const length = cursor.count("array elements", LIMITS.array);
  if (of === "string") return { value: yield* cursor.strings(length, LIMITS.string), type, of };
  const value: GgufValue[] = [];
  for (let first = 0; first < length; first += STEP) {
    readScalars(cursor, of, Math.min(STEP, length - first), value);
    yield;
  }
  return { value, type, of };
}

function readScalars(
  cursor: GgufCursor,
  of: Exclude<ValueType, "array" | "string">,
  count: number,
  into: GgufValue[],
): void {
  for (let i = 0; i < count; i++) into.push(cursor[of]());
}

function valueType(cursor: GgufCursor, typeNumber: number): ValueType {
  const type = VALUE_TYPES[typeNumber];
  if (type === undefined) throw cursor.invalid(`unknown metadata type ${typeNumber}`);
  return type;
}

function readScalar(cursor: GgufCursor, type: Exclude<ValueType, "array">): Exclude<GgufValue, GgufValue[] | TextList> {
  return type === "string" ? cursor.string(LIMITS.string) : cursor[type]();
}

function readTensorInfo(cursor: GgufCursor): GgufTensorInfo {
  const name = cursor.string(1 << 10);
  const dimensions = cursor.u32();
  if (dimensions > MAX_DIMENSIONS) throw cursor.invalid(`tensor ${name} has ${dimensions} dimensions`);
  const innermostFirst: number[] = [];
  for (let i = 0; i < dimensions; i++) innermostFirst.push(cursor.size(`a dimension of ${name}`));
  const typeNumber = cursor.u32();
  const type = GGML_TYPES.get(typeNumber);
  if (!type) throw cursor.invalid(`tensor ${name} has unknown type ${typeNumber}`);
  const begin = cursor.size(`the offset of ${name}`);
  const elements = innermostFirst.reduce((product, size) => product * size, 1);
  const bytes = (elements / type.elements) * type.bytes;
  // Blocks lie along the innermost dimension and do not run across rows.
  if ((innermostFirst[0] ?? 1) % type.elements !== 0 || !Number.isSafeInteger(begin + bytes)) {
    throw cursor.invalid(`tensor ${name}: ${type.name} cannot have the shape [${innermostFirst.join(", ")}]`);
  }
  return { name, type, shape: innermostFirst.reverse(), begin, end: begin + bytes };
}

function readAlignment(cursor: GgufCursor, metadata: ReadonlyMap<string, GgufValue>): number {
  const alignment = metadata.get("general.alignment") ?? 32;
  // ggml asks for a power of two; 8 ≤ a ≤ 2^20 keeps the padding harmless.
  if (
    typeof alignment !== "number" ||
    alignment < 8 ||
    alignment > 1 << 20 ||
    !Number.isInteger(Math.log2(alignment))
  ) {
    throw cursor.invalid(`general.alignment is ${shown(alignment)}`);
  }
  return alignment;
}

/** Checks the directory's offsets, which count from the aligned end of the header, and makes them count from the file's start. */
function placeTensors(source: ByteSource, cursor: GgufCursor, tensors: GgufTensorInfo[], alignment: number): void {
  const dataStart = Math.ceil(cursor.offset / alignment) * alignment;
  const size = Math.max(0, source.size - dataStart);
  for (const tensor of tensors) {
    if (tensor.begin % alignment !== 0) throw outOfRange(source.name, tensor, size);
  }
  checkPlacements(source.name, tensors, { size, alignment, gaps: true });
  for (const tensor of tensors) {
    tensor.begin += dataStart;
    tensor.end += dataStart;
  }
}
