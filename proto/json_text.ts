// JSON text from strangers, read with bounds: how deep it nests is known before anything walks it by recursion.

/** Strings, lists and objects of a request: more than any has, few enough to be parsed and checked at once. */
export const MAX_REQUEST_VALUES = 2 ** 17;

/** Deeper than any message or row, and far from what a stack bears. */
export const MAX_NESTING = 128;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Looks over JSON text before it is parsed. Whether it is JSON is for JSON.parse to say.
 *
 * @throws Error where brackets nest more than MAX_NESTING deep, or where there are more than `mostValues` strings, lists and
 * objects: many small ones take far longer than their bytes suggest.
 */
export function checkNesting(text: string, mostValues = Number.POSITIVE_INFINITY): void {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = stringEnd(text, at + 1);
      values++;
    } else if (code === 0x5b || code === 0x7b) {
      if (++depth > MAX_NESTING) throw new Error(`nested more than ${MAX_NESTING} deep`);
      values++;
    } else if (code === 0x5d || code === 0x7d) depth--;
    if (values > mostValues) throw new Error(`more than ${mostValues} values`);
  }
}

/** Where the string that has begun before `from` closes; the text's length where it does not. */
function stringEnd(text: string, from: number): number {
  for (let end = text.indexOf('"', from); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end;
  }
  return text.length;
}

/** A byte order mark is passed over. @throws Error for text that is not JSON, and as checkNesting. */
export function parseJson(text: string, mostValues?: number): unknown {
  const body = text.startsWith("\uFEFF") ? text.slice(1) : text;
  checkNesting(body, mostValues);
  return JSON.parse(body);
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
