// The JSON header of a safetensors file: from bytes to checked directory entries.

import { MoloraError } from "../../../proto/errors.ts";
import { shown } from "../../shown.ts";

/** One tensor as the directory has it; `bytes` is what dtype and shape ask for. */
export interface DirectoryEntry {
  name: string;
  dtype: string;
  shape: number[];
  begin: number;
  end: number;
  bytes: number;
}

/** Bits of one element of every type the format defines. */
const TYPE_BITS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ...{ F4: 4, F6_E2M3: 6, F6_E3M2: 6 },
    ...{ BOOL: 8, U8: 8, I8: 8, F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, F8_E5M2FNUZ: 8, F8_E4M3FNUZ: 8 },
    ...{ I16: 16, U16: 16, F16: 16, BF16: 16, I32: 32, U32: 32, F32: 32, I64: 64, U64: 64, F64: 64, C64: 64 },
  }),
);

const MAX_DIMENSIONS = 16;

/**
 * Parses the header's bytes.
 *
 * @throws MoloraError `header_invalid` for what is no JSON object or names a key twice.
 */
export function parseSafetensorsHeader(file: string, bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    parsed = JSON.parse(text);
  } catch (cause) {
    throw invalid(file, "the header is not JSON", cause);
  }
  if (!isObject(parsed)) throw invalid(file, "the header is not a JSON object");
  // JSON.parse keeps the last of two equal keys, and a tensor would quietly replace another.
  if (countWrittenKeys(text) !== countKeys(parsed)) throw invalid(file, "the header has a name twice");
  return parsed;
}

/**
 * Checks every entry but where it lies. `__metadata__` is checked and left out.
 *
 * @throws MoloraError `header_invalid`
 */
export function checkDirectory(file: string, header: Record<string, unknown>): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") checkMetadata(file, entry);
    else entries.push(checkEntry(file, name, entry));
  }
  return entries;
}

function checkEntry(file: string, name: string, entry: unknown): DirectoryEntry {
  if (!isObject(entry)) throw invalid(file, `tensor ${shown(name)} has no directory entry`);
  const { dtype, shape, data_offsets: offsets } = entry;
  const bits = typeof dtype === "string" ? TYPE_BITS.get(dtype) : undefined;
  if (typeof dtype !== "string" || bits === undefined)
    throw invalid(file, `tensor ${shown(name)}: unknown dtype ${shown(dtype)}`);
  if (!isSizes(shape) || shape.length > MAX_DIMENSIONS) throw invalid(file, `tensor ${shown(name)}: bad shape`);
  if (!isSizes(offsets) || offsets.length !== 2) throw invalid(file, `tensor ${shown(name)}: bad data_offsets`);
  const bytes = (shape.reduce((product, size) => product * size, 1) * bits) / 8;
  if (!Number.isSafeInteger(bytes))
    throw invalid(file, `tensor ${shown(name)}: its shape gives no whole number of bytes`);
  return { name, dtype, shape, begin: offsets[0], end: offsets[1], bytes };
}

function checkMetadata(file: string, metadata: unknown): void {
  if (!isObject(metadata) || Object.values(metadata).some((value) => typeof value !== "string")) {
    throw invalid(file, "__metadata__ does not map strings to strings");
  }
}

/** Keys as the text has them: strings before a colon. `text` is valid JSON. */
function countWrittenKeys(text: string): number {
  let keys = 0;
  for (let open = text.indexOf('"'); open >= 0; ) {
    const close = closingQuote(text, open);
    let next = close + 1;
    while (text[next] === " " || text[next] === "\n" || text[next] === "\r" || text[next] === "\t") next++;
    if (text[next] === ":") keys++;
    open = text.indexOf('"', next);
  }
  return keys;
}

function closingQuote(text: string, open: number): number {
  let at = open + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}

/** Keys of a parsed value at every depth, without recursion: a header may nest deeper than a call stack. */
function countKeys(root: object): number {
  let keys = 0;
  const open: object[] = [root];
  for (let value = open.pop(); value; value = open.pop()) {
    if (!Array.isArray(value)) keys += Object.keys(value).length;
    for (const child of Object.values(value)) if (typeof child === "object" && child !== null) open.push(child);
  }
  return keys;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function invalid(file: string, reason: string, cause?: unknown): MoloraError {
  return new MoloraError("header_invalid", `${file}: ${reason}`, {
    remedy: "This is not a safetensors file, or it is damaged: fetch or export it again.",
    ...(cause === undefined ? {} : { cause }),
  });
}
