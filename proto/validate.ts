// Every message passes this one check, whatever carried it: plain values in, a clean typed message out, or an error.
// It checks shapes and ranges; whether an adapter of that name exists, say, only the engine can tell.

import type { GenerateRequest } from "./api.ts";
import { fromBase64 } from "./base64.ts";
import { CLIENT_MESSAGES, GENERATE_REQUEST, type MessageTable, SERVER_MESSAGES } from "./contract.ts";
import { type ErrorCode, MoloraError } from "./errors.ts";
import type { ClientMessage, ServerMessage } from "./messages.ts";
import type { ObjectSpec, Spec } from "./schema.ts";

/** How deep a JSON object (an error's `details`) may nest. */
export const MAX_JSON_DEPTH = 16;

/** What holds for a whole message while it is checked. */
interface Reading {
  /** A client's are refused, since a misspelt setting must not be ignored; those of a newer server are skipped. */
  unknownFields: "refuse" | "skip";
  requestId: string | undefined;
}

/** @throws MoloraError `bad_request`, `unknown_field`, `unknown_message`; `details.requestId` where one was readable. */
export function validateClient(raw: unknown): ClientMessage {
  return validateMessage(CLIENT_MESSAGES, raw, "refuse") as unknown as ClientMessage;
}

/**
 * As validateClient, for a message of a server. Fields this version does not know are left out.
 *
 * @throws MoloraError `bad_request`, `unknown_message`
 */
export function validateServer(raw: unknown): ServerMessage {
  return validateMessage(SERVER_MESSAGES, raw, "skip") as unknown as ServerMessage;
}

/**
 * A request without its envelope, as HTTP and other front ends receive it.
 *
 * @throws MoloraError `bad_request`, `unknown_field`
 */
export function validateRequest(raw: unknown): GenerateRequest {
  return checkObject(GENERATE_REQUEST, raw, "", { unknownFields: "refuse", requestId: undefined });
}

function validateMessage(
  table: MessageTable,
  raw: unknown,
  unknownFields: Reading["unknownFields"],
): Record<string, unknown> {
  if (!isRecord(raw)) throw new MoloraError("bad_request", `a message must be an object, got ${show(raw)}`);
  const reading: Reading = { unknownFields, requestId: readableId(raw.id) };
  const { type, ...payload } = raw;
  if (typeof type !== "string" || !Object.hasOwn(table, type)) {
    throw refusal("unknown_message", `there is no message of type ${show(type)}`, "type", reading, {
      remedy: `Set "type" to one of: ${Object.keys(table).join(", ")}.`,
    });
  }
  return { type, ...checkObject<Record<string, unknown>>(table[type].spec, payload, "", reading) };
}

function readableId(id: unknown): string | undefined {
  return typeof id === "string" && id !== "" && id.length <= 128 && isWellFormed(id) ? id : undefined;
}

function checkObject<T>(spec: ObjectSpec, raw: unknown, path: string, reading: Reading): T {
  if (!isRecord(raw)) throw mismatch("an object", raw, path, reading);
  if (reading.unknownFields === "refuse") refuseUnknown(spec, raw, path, reading);
  const clean: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(spec.fields)) {
    const value = Object.hasOwn(raw, name) ? raw[name] : undefined;
    const at = path === "" ? name : `${path}.${name}`;
    if (value !== undefined) {
      const checked = check(field.spec, value, at, reading);
      if (field.optional && Array.isArray(checked) && checked.length === 0) continue;
      clean[name] = checked;
    } else if (!field.optional) {
      if (field.spec.kind !== "list") throw refusal("bad_request", `"${at}" is missing`, at, reading);
      clean[name] = [];
    }
  }
  checkGroups(spec, clean, path, reading);
  return clean as T;
}

function refuseUnknown(spec: ObjectSpec, raw: Record<string, unknown>, path: string, reading: Reading): void {
  for (const name of Object.keys(raw)) {
    if (Object.hasOwn(spec.fields, name)) continue;
    const printable = name.length <= 64 && isWellFormed(name) ? name : "?";
    const at = path === "" ? printable : `${path}.${printable}`;
    throw refusal("unknown_field", `${spec.message} has no field ${show(name)}`, at, reading, {
      remedy: `Its fields are: ${Object.keys(spec.fields).join(", ")}.`,
    });
  }
}

function checkGroups(spec: ObjectSpec, clean: Record<string, unknown>, path: string, reading: Reading): void {
  const set = (group: readonly string[]) => group.filter((name) => clean[name] !== undefined);
  for (const group of spec.atMostOne) {
    const given = set(group);
    if (given.length > 1) {
      throw refusal("bad_request", `${given.join(" and ")} exclude each other`, path || given[1], reading, {
        remedy: `Give at most one of: ${group.join(", ")}.`,
      });
    }
  }
  for (const group of spec.exactlyOne) {
    const given = set(group);
    if (given.length === 1) continue;
    const why =
      given.length === 0 ? `none of ${group.join(", ")} is given` : `${given.join(" and ")} exclude each other`;
    throw refusal("bad_request", why, path || (given[1] ?? group[0]), reading, {
      remedy: `Give exactly one of: ${group.join(", ")}; an empty list counts as absent.`,
    });
  }
}

function check(spec: Spec, value: unknown, path: string, reading: Reading): unknown {
  switch (spec.kind) {
    case "object":
      return checkObject(spec, value, path, reading);
    case "list":
      if (!Array.isArray(value)) throw mismatch("a list", value, path, reading);
      if (value.length > spec.max) throw mismatch(`a list of at most ${spec.max}`, value, path, reading);
      return checkItems(spec.of, value, path, reading);
    case "string":
      return checkString(spec, value, path, reading);
    case "boolean":
      if (typeof value !== "boolean") throw mismatch("true or false", value, path, reading);
      return value;
    case "bytes":
      return checkBytes(spec, value, path, reading);
    case "integer":
      if (!isInteger(spec, value)) {
        throw mismatch(`an integer from ${spec.min} to ${spec.max}`, value, path, reading);
      }
      return withoutNegativeZero(value as number);
    case "number":
      return checkNumber(spec, value, path, reading);
    case "json":
      if (!isRecord(value)) throw mismatch("an object", value, path, reading);
      return cloneJson(value, path, reading, {
        left: spec.deepest ?? MAX_JSON_DEPTH,
        most: spec.deepest ?? MAX_JSON_DEPTH,
      });
  }
}

/** Lists of ids are long: what is right is told without naming it. */
function checkItems(of: Spec, items: readonly unknown[], path: string, reading: Reading): unknown[] {
  if (of.kind !== "integer") return Array.from(items, (item, i) => check(of, item, `${path}[${i}]`, reading));
  const wrong = items.findIndex((item) => !isInteger(of, item));
  if (wrong >= 0) check(of, items[wrong], `${path}[${wrong}]`, reading);
  return items.map((item) => withoutNegativeZero(item as number));
}

function isInteger({ min, max }: Spec & { kind: "integer" }, value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}

function checkString(spec: Spec & { kind: "string" }, value: unknown, path: string, reading: Reading): string {
  if (typeof value !== "string") throw mismatch("a string", value, path, reading);
  if (spec.oneOf !== undefined && !spec.oneOf.includes(value)) {
    throw mismatch(`one of ${spec.oneOf.join(", ")}`, value, path, reading);
  }
  if (value.length < spec.min || value.length > spec.max) {
    throw mismatch(`a string of ${spec.min} to ${spec.max} characters`, value, path, reading);
  }
  return wellFormed(value, path, reading);
}

/** Bytes of their own, or base64 text, as JSON has them. */
function checkBytes(spec: Spec & { kind: "bytes" }, value: unknown, path: string, reading: Reading): Uint8Array {
  const read = typeof value === "string" ? fromBase64(value) : value;
  if (!(read instanceof Uint8Array)) throw mismatch("bytes, in JSON as base64", value, path, reading);
  if (read.length > spec.max) throw mismatch(`at most ${spec.max} bytes`, value, path, reading);
  return new Uint8Array(read);
}

function checkNumber(spec: Spec & { kind: "number" }, value: unknown, path: string, reading: Reading): number {
  const inside =
    typeof value === "number" && (spec.aboveMin ? value > spec.min : value >= spec.min) && value <= spec.max;
  if (!inside) throw mismatch(range(spec), value, path, reading);
  return withoutNegativeZero(spec.wire === "float" ? Math.fround(value) : value);
}

function range(spec: Spec & { kind: "number" }): string {
  if (spec.max > 1e30) return "a finite number";
  return `a number ${spec.aboveMin ? "above" : "from"} ${spec.min} ${spec.aboveMin ? "and up to" : "to"} ${spec.max}`;
}

interface Depth {
  left: number;
  most: number;
}

/** A copy of plain JSON; anything else in it is refused. */
function cloneJson(value: unknown, path: string, reading: Reading, depth: Depth): unknown {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string") return wellFormed(value, path, reading);
  if (typeof value === "number" && Number.isFinite(value)) return withoutNegativeZero(value);
  if (depth.left === 0) throw mismatch(`nested at most ${depth.most} deep`, value, path, reading);
  const below = { ...depth, left: depth.left - 1 };
  if (Array.isArray(value)) return Array.from(value, (item, i) => cloneJson(item, `${path}[${i}]`, reading, below));
  if (!isRecord(value)) throw mismatch("a JSON value", value, path, reading);
  // "__proto__" as an assigned key would set the copy's prototype; here it is a property like any other.
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [wellFormed(key, path, reading), cloneJson(item, path, reading, below)]),
  );
}

/** Refuses half a surrogate pair: it has no UTF-8, so not every encoding could carry it. */
function wellFormed(text: string, path: string, reading: Reading): string {
  if (!isWellFormed(text)) throw mismatch("well-formed Unicode", text, path, reading);
  return text;
}

const isWellFormed = (text: string) => text.isWellFormed();

/** JSON has no -0. */
function withoutNegativeZero(value: number): number {
  return value + 0;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function mismatch(expected: string, value: unknown, path: string, reading: Reading): MoloraError {
  return refusal("bad_request", `"${path}" must be ${expected}, got ${show(value)}`, path, reading);
}

function refusal(
  code: ErrorCode,
  message: string,
  field: string,
  reading: Reading,
  info: { remedy?: string } = {},
): MoloraError {
  const details = { field, ...(reading.requestId === undefined ? {} : { requestId: reading.requestId }) };
  return new MoloraError(code, message, { ...info, details });
}

/** How an error message shows a value: short, and never the whole of a long input. */
function show(value: unknown): string {
  if (typeof value === "string") return value.length > 40 ? `a string of ${value.length}` : JSON.stringify(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value === "object" && value !== null) return "an object";
  return value === undefined ? "nothing" : String(value);
}
