// JSON text from strangers, read with bounds: how deep it nests is known before anything walks it by recursion.

import { MoloraError } from "./errors.ts";

/** Strings, lists and objects of a request: more than any has, few enough to be parsed and checked at once. */
export const MAX_REQUEST_VALUES = 2 ** 17;

/** Deeper than any message or row, and far from what a stack bears. */
export const MAX_NESTING = 128;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const STRIDE = 256;

/** @throws MoloraError `bad_request` where brackets nest more than MAX_NESTING deep. */
export function checkNesting(text: string): void {
  if (scan(text, Number.POSITIVE_INFINITY).depth > MAX_NESTING) throw tooDeep();
}

function tooDeep(): MoloraError {
  return new MoloraError("bad_request", `JSON nested more than ${MAX_NESTING} deep`, { remedy: "Send it flatter." });
}

/** How deep brackets nest, and how many strings, lists and objects there are, up to one more than `most`. */
function scan(text: string, most: number): { depth: number; values: number } {
  let open = 0;
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length && values <= most; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = stringEnd(text, at + 1);
      values++;
    } else if (code === 0x5b || code === 0x7b) {
      depth = Math.max(depth, ++open);
      values++;
    } else if (code === 0x5d || code === 0x7d) open--;
  }
  return { depth, values };
}

/** Where the string that has begun before `from` closes; the text's length where it does not. */
function stringEnd(text: string, from: number): number {
  let at = from;
  for (;;) {
    // Short strings, and such as are full of escapes, by the character; long ones by the next quote.
    for (const stop = Math.min(at + STRIDE, text.length); at < stop; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) return at;
      if (code === BACKSLASH) at++;
    }
    const quote = text.indexOf('"', at);
    if (quote < 0) return text.length;
    let slashes = 0;
    while (quote - 1 - slashes >= at && text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return quote;
    at = quote + 1;
  }
}

/**
 * A byte order mark is passed over. `mostValues`: strings, lists and objects it may have; many small ones take far longer
 * than their bytes suggest.
 *
 * @throws Error for text that is not JSON, or has more values; MoloraError `bad_request` where it nests too deep.
 */
export function parseJson(text: string, mostValues?: number): unknown {
  const steps = parsing(text, mostValues);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** The same in steps, for megabytes: none of them holds its caller up for long. */
export function* parsing(text: string, mostValues = Number.POSITIVE_INFINITY): Generator<undefined, unknown> {
  const body = text.startsWith("\uFEFF") ? text.slice(1) : text;
  const { depth, values } = scan(body, mostValues);
  if (values > mostValues) throw new Error(`more than ${mostValues} values`);
  yield;
  // The parser does not recurse; what walks its result may.
  const value: unknown = JSON.parse(body);
  if (depth > MAX_NESTING) throw tooDeep();
  return value;
}

/** Half a surrogate pair, which only an escape can bring into text that was UTF-8. */
const ESCAPED_SURROGATE = /\\u[dD][89a-fA-F]/;

/** Whether some string or key of `value`, parsed from `text`, is not well-formed Unicode. */
export function hasLoneSurrogate(text: string, value: unknown): boolean {
  return (!text.isWellFormed() || ESCAPED_SURROGATE.test(text)) && isBroken(value);
}

function isBroken(value: unknown): boolean {
  if (typeof value === "string") return !value.isWellFormed();
  if (Array.isArray(value)) return value.some(isBroken);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, item]) => !key.isWellFormed() || isBroken(item));
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** UTF-8 as text, without its byte order mark. @throws Error for bytes that are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new Error("not UTF-8", { cause });
  }
}
