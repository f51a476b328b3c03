// Messages as protobuf, by walking contract.ts with protobufjs' reader and writer: nothing is generated or evaluated,
// so it runs under a strict Content-Security-Policy. proto/molora.proto describes these bytes.

import protobuf from "protobufjs/minimal.js";
import { codec } from "./codec.ts";
import type { MessageTable } from "./contract.ts";
import { parseJson } from "./json_text.ts";
import type { Field, ObjectSpec, Spec } from "./schema.ts";

type Plain = Readonly<Record<string, unknown>>;

export const protobufCodec = codec("molora.v1.proto", {
  write({ type, ...payload }, table) {
    const { tag, spec } = table[type];
    const writer = new protobuf.Writer();
    writer.uint32(key(tag, LENGTH)).bytes(writeObject(spec, payload));
    return writer.finish();
  },
  read(frame, table) {
    if (typeof frame === "string") throw new Error("a text frame");
    return readEnvelope(frame, table);
  },
});

// Wire types.
const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

const key = (tag: number, wireType: number) => ((tag << 3) | wireType) >>> 0;

type Scalar = Exclude<Spec, { kind: "list" | "object" }>;

function wireType(spec: Scalar): number {
  switch (spec.kind) {
    case "string":
    case "bytes":
    case "json":
      return LENGTH;
    case "number":
      return spec.wire === "float" ? FIXED32 : FIXED64;
    case "boolean":
    case "integer":
      return VARINT;
  }
}

function writeObject(spec: ObjectSpec, value: Plain): Uint8Array {
  const writer = new protobuf.Writer();
  for (const [name, field] of Object.entries(spec.fields)) {
    if (value[name] !== undefined) writeField(writer, field, value[name]);
  }
  return writer.finish();
}

function writeField(writer: protobuf.Writer, { tag, spec, optional }: Field, value: unknown): void {
  if (spec.kind === "object") {
    writer.uint32(key(tag, LENGTH)).bytes(writeObject(spec, value as Plain));
  } else if (spec.kind !== "list") {
    // proto3: a required scalar at its default takes no bytes.
    if (!optional && (value === zero(spec) || isEmpty(spec, value))) return;
    writeScalar(writer.uint32(key(tag, wireType(spec))), spec, value);
  } else {
    writeList(writer, tag, spec.of, value as unknown[]);
  }
}

function writeList(writer: protobuf.Writer, tag: number, of: Spec, items: unknown[]): void {
  if (items.length === 0) return;
  if (of.kind === "object" || of.kind === "list" || wireType(of) === LENGTH) {
    for (const item of items) writeField(writer, { tag, spec: of, optional: true }, item);
    return;
  }
  const packed = new protobuf.Writer();
  for (const item of items) writeScalar(packed, of, item);
  writer.uint32(key(tag, LENGTH)).bytes(packed.finish());
}

function writeScalar(writer: protobuf.Writer, spec: Scalar, value: unknown): void {
  switch (spec.kind) {
    case "string":
      writer.string(value as string);
      return;
    case "bytes":
      writer.bytes(value as Uint8Array);
      return;
    case "json":
      writer.string(JSON.stringify(value));
      return;
    case "boolean":
      writer.bool(value as boolean);
      return;
    case "integer":
      writer[spec.wire](value as number);
      return;
    case "number":
      writer[spec.wire](value as number);
      return;
  }
}

function isEmpty({ kind }: Scalar, value: unknown): boolean {
  return kind === "bytes" && (value as Uint8Array).length === 0;
}

/** The value that proto3 leaves out of the bytes; undefined for kinds where an absent field has no value. */
function zero(spec: Spec): unknown {
  switch (spec.kind) {
    case "string":
      return "";
    case "bytes":
      return new Uint8Array(0);
    case "boolean":
      return false;
    case "integer":
    case "number":
      return 0;
    default:
      return undefined;
  }
}

/** One message under its number. A number that the contract lacks gives the type "#99", which the validator refuses. */
function readEnvelope(bytes: Uint8Array, table: MessageTable): unknown {
  const reader = new protobuf.Reader(bytes);
  const tag = reader.tag();
  if ((tag & 7) !== LENGTH) throw new Error(`wire type ${tag & 7} where a message was expected`);
  const payload = reader.bytes();
  if (reader.pos !== reader.len) throw new Error(`${reader.len - reader.pos} bytes after the message`);
  const found = Object.entries(table).find(([, message]) => message.tag === tag >>> 3);
  if (found === undefined) return { type: `#${tag >>> 3}` };
  const [type, { spec }] = found;
  return { type, ...readObject(spec, payload) };
}

function readObject(spec: ObjectSpec, bytes: Uint8Array): Record<string, unknown> {
  const reader = new protobuf.Reader(bytes);
  const fields = fieldsByTag(spec);
  const value = defaults(spec);
  const seen = new Set<string>();
  while (reader.pos < reader.len) {
    const tag = reader.tag();
    const found = fields.get(tag >>> 3);
    if (found === undefined) {
      value[`#${tag >>> 3}`] = null;
      reader.skipType(tag & 7);
      continue;
    }
    const [name, field] = found;
    if (field.spec.kind === "list") {
      if (value[name] === undefined) value[name] = [];
      readItems(reader, tag & 7, field.spec.of, value[name] as unknown[]);
      continue;
    }
    if (seen.has(name)) throw new Error(`field ${name} of ${spec.message} stands twice`);
    seen.add(name);
    value[name] = readSingle(reader, tag & 7, field.spec);
  }
  return value;
}

const indexed = new WeakMap<ObjectSpec, Map<number, [name: string, field: Field]>>();

function fieldsByTag(spec: ObjectSpec): Map<number, [name: string, field: Field]> {
  let fields = indexed.get(spec);
  if (fields === undefined) {
    fields = new Map(Object.entries(spec.fields).map(([name, field]) => [field.tag, [name, field]]));
    indexed.set(spec, fields);
  }
  return fields;
}

/** The required scalars at their zero values, which they have where the bytes lack them. */
function defaults(spec: ObjectSpec): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(spec.fields)) {
    const absent = field.optional ? undefined : zero(field.spec);
    if (absent !== undefined) value[name] = absent;
  }
  return value;
}

function readItems(reader: protobuf.Reader, wire: number, of: Spec, items: unknown[]): void {
  const packs = of.kind !== "object" && of.kind !== "list" && wireType(of) !== LENGTH;
  if (!packs || wire !== LENGTH) {
    items.push(readSingle(reader, wire, of));
    return;
  }
  const packed = new protobuf.Reader(reader.bytes());
  while (packed.pos < packed.len) items.push(readScalar(packed, of));
}

function readSingle(reader: protobuf.Reader, wire: number, spec: Spec): unknown {
  if (spec.kind === "list") throw new Error("a list of lists");
  const expected = spec.kind === "object" ? LENGTH : wireType(spec);
  if (wire !== expected) throw new Error(`wire type ${wire} where ${expected} was expected`);
  return spec.kind === "object" ? readObject(spec, reader.bytes()) : readScalar(reader, spec);
}

// Fatal, because protobufjs would replace bytes that are no UTF-8.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function readScalar(reader: protobuf.Reader, spec: Scalar): unknown {
  switch (spec.kind) {
    case "string":
      return utf8.decode(reader.bytes());
    case "bytes":
      return reader.bytes();
    case "json":
      return parseJson(utf8.decode(reader.bytes()));
    case "boolean":
      return reader.bool();
    case "integer":
      return readInteger(reader);
    case "number":
      return reader[spec.wire]();
  }
}

/** Reads a uint64 even where uint32 is declared: the validator refuses a large value, whose low bits might pass. */
function readInteger(reader: protobuf.Reader): number {
  const value: protobuf.Long | number = reader.uint64();
  return typeof value === "number" ? value : (value.high >>> 0) * 2 ** 32 + (value.low >>> 0);
}
