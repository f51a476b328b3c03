// A key as it is kept: never the secret, only its hash, with what it may do and how much.

import { createHash, randomBytes } from "node:crypto";
import type { Fields } from "../../files/fields.ts";
import { checkScope } from "./scopes.ts";

export interface KeyLimits {
  /** Requests in a minute, which may all come at once. */
  requestsPerMinute?: number;
  /** Tokens of prompts and answers in a minute. */
  tokensPerMinute?: number;
  /** Requests that are open at once. */
  concurrent?: number;
}

export interface KeyRecord extends KeyLimits {
  /** Names the key wherever it is spoken of: logs, `molora keys revoke`. */
  id: string;
  /** Whose it is. */
  name: string;
  /** SHA-256 of the secret, in hex. It has 256 random bits, so that nothing slower is needed. */
  hash: string;
  scopes: string[];
  /** ISO 8601, as the two below. */
  created: string;
  expires?: string;
  revoked?: string;
}

export const LIMITS = ["requestsPerMinute", "tokensPerMinute", "concurrent"] as const;
const DATES = ["expires", "revoked"] as const;
const HIGHEST = 2 ** 31 - 1;

/** The hash that stands for a secret. */
export function hashOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** A new key and its secret, which is told once: "molora_1f2e3d4c_…". */
export function newKey(
  wanted: Omit<KeyRecord, "id" | "hash" | "created">,
  now: Date,
): { record: KeyRecord; secret: string } {
  const id = randomBytes(4).toString("hex");
  const secret = `molora_${id}_${randomBytes(32).toString("base64url")}`;
  return { record: { id, ...wanted, hash: hashOf(secret), created: now.toISOString() }, secret };
}

/** @throws MoloraError `config_invalid`, or `bad_arguments` for a scope that does not exist. */
export function readRecord(fields: Fields): KeyRecord {
  fields.only(["id", "name", "hash", "scopes", "created", ...DATES, ...LIMITS]);
  const scopes = fields.array("scopes").map(String);
  for (const scope of scopes) checkScope(scope);
  const hash = fields.string("hash");
  if (!/^[0-9a-f]{64}$/.test(hash)) fields.fail("hash", "64 hexadecimal digits");
  const record: KeyRecord = {
    id: fields.string("id"),
    name: fields.string("name"),
    hash,
    scopes,
    created: date(fields, "created"),
  };
  for (const name of DATES) if (fields.has(name)) record[name] = date(fields, name);
  for (const name of LIMITS) if (fields.has(name)) record[name] = fields.integer(name, 1, HIGHEST);
  return record;
}

function date(fields: Fields, name: string): string {
  const text = fields.string(name);
  return Number.isNaN(Date.parse(text)) ? fields.fail(name, "a date as 2030-01-31T12:00:00Z") : text;
}
