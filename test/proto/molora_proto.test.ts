// molora.proto and contract.ts say the same: same fields, numbers and types, and each reads the other's bytes.
// The .proto side is protobufjs, reading the file as any other program would.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import protobuf from "protobufjs";
import { CLIENT_MESSAGES, type MessageTable, SERVER_MESSAGES } from "../../proto/contract.ts";
import { CODECS } from "../../proto/encodings.ts";
import type { ObjectSpec, Spec } from "../../proto/schema.ts";
import { clientMessage, serverMessage } from "./arbitraries.ts";

const root = protobuf.loadSync("proto/molora.proto");
root.resolveAll();
const sides = { ClientFrame: CLIENT_MESSAGES, ServerFrame: SERVER_MESSAGES };

/** Lines such as "Generate.topP = 11: optional double". */
function fileFields(): string[] {
  const lines: string[] = [];
  const namespace = root.lookup("molora.v1") as protobuf.Namespace;
  for (const type of namespace.nestedArray) {
    if (!(type instanceof protobuf.Type) || type.name in sides) continue;
    for (const field of type.fieldsArray) {
      const optional = (field.options as Record<string, unknown> | undefined)?.proto3_optional === true;
      const label = field.repeated ? "repeated " : optional ? "optional " : "";
      lines.push(`${type.name}.${field.name} = ${field.id}: ${label}${field.type}`);
    }
  }
  return lines.sort();
}

function tableFields(): string[] {
  const lines = new Set<string>();
  const visit = (spec: ObjectSpec) => {
    for (const [name, field] of Object.entries(spec.fields)) {
      const label = field.spec.kind === "list" ? "repeated " : field.optional ? "optional " : "";
      const of = field.spec.kind === "list" ? field.spec.of : field.spec;
      lines.add(`${spec.message}.${name} = ${field.tag}: ${label}${protoType(of)}`);
      if (of.kind === "object") visit(of);
    }
  };
  for (const table of Object.values(sides)) for (const { spec } of Object.values(table)) visit(spec);
  return [...lines].sort();
}

function protoType(spec: Spec): string {
  if (spec.kind === "object") return spec.message;
  if (spec.kind === "integer" || spec.kind === "number") return spec.wire;
  if (spec.kind === "bytes") return "bytes";
  return spec.kind === "boolean" ? "bool" : "string";
}

test("every field of the file is in the table and the other way round", () => {
  assert.deepStrictEqual(tableFields(), fileFields());
});

test("the envelopes agree", () => {
  for (const [name, table] of Object.entries(sides)) {
    const listed = Object.entries(table).map(([type, { tag, spec }]) => `${camel(type)} = ${tag}: ${spec.message}`);
    const written = root.lookupType(name).fieldsArray.map((field) => `${field.name} = ${field.id}: ${field.type}`);
    assert.deepStrictEqual(listed, written);
  }
});

test("names in the file are snake_case of the table's", () => {
  const kept = new protobuf.Root();
  kept.loadSync("proto/molora.proto", { keepCase: true });
  const type = kept.lookupType("molora.v1.Generate");
  assert.deepStrictEqual(
    type.fieldsArray.map((field) => camel(field.name)),
    Object.keys(CLIENT_MESSAGES.generate.spec.fields),
  );
});

const camel = (name: string) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** A message as protobufjs holds it: under its oneof case, JSON objects as text. */
function toReflected(table: MessageTable, { type, ...payload }: { type: string }): Record<string, unknown> {
  return { [camel(type)]: written(table[type].spec, payload) };
}

function written(spec: Spec, value: unknown): unknown {
  if (spec.kind === "json") return JSON.stringify(value);
  if (spec.kind === "list") return (value as unknown[]).map((item) => written(spec.of, item));
  if (spec.kind !== "object") return value;
  const fields = Object.entries(value as Record<string, unknown>);
  return Object.fromEntries(fields.map(([name, item]) => [name, written(spec.fields[name].spec, item)]));
}

/** What a proto3 reader sees of a decoded message: absent scalars at their default, longs as numbers. */
function seen(spec: Spec, read: unknown): unknown {
  if (spec.kind === "integer") return Number(read);
  if (spec.kind === "bytes") return new Uint8Array(read as Uint8Array);
  if (spec.kind !== "object") return read;
  const message = read as Record<string, unknown>;
  const value: Record<string, unknown> = {};
  for (const [name, { spec: of, optional }] of Object.entries(spec.fields)) {
    const items = message[name];
    if (of.kind !== "list") {
      if (!optional || Object.hasOwn(message, name)) value[name] = seen(of, items);
    } else if (!optional || (items as unknown[]).length > 0) {
      value[name] = (items as unknown[]).map((item) => seen(of.of, item));
    }
  }
  return value;
}

function reflects(frameName: string, table: MessageTable, message: { type: string }, bytes: Uint8Array): void {
  const [[name, expected]] = Object.entries(toReflected(table, message));
  const frame = root.lookupType(frameName).decode(bytes) as unknown as Record<string, unknown>;
  assert.deepStrictEqual(seen(table[message.type].spec, frame[name]), expected);
}

test("protobufjs reads what the codec writes, and the codec reads what protobufjs writes", () => {
  const { client, server } = CODECS.proto;
  fc.assert(
    fc.property(clientMessage, serverMessage, (asked, said) => {
      reflects("ClientFrame", CLIENT_MESSAGES, asked, client.encode(asked) as Uint8Array);
      reflects("ServerFrame", SERVER_MESSAGES, said, server.encode(said) as Uint8Array);
      const ask = root.lookupType("ClientFrame");
      assert.deepStrictEqual(
        client.decode(ask.encode(ask.fromObject(toReflected(CLIENT_MESSAGES, asked))).finish()),
        asked,
      );
      const say = root.lookupType("ServerFrame");
      assert.deepStrictEqual(
        server.decode(say.encode(say.fromObject(toReflected(SERVER_MESSAGES, said))).finish()),
        said,
      );
    }),
    { numRuns: 300 },
  );
});
