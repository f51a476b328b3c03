// JSON text from strangers, read with bounds: how deep it nests is known before anything walks it by recursion.

/** Deeper than any message or row, and far from what a stack bears. */
export const MAX_NESTING = 128;

const MARKS = /["[\]{}]/g;

/** @throws Error where brackets nest more than MAX_NESTING deep. Whether it is JSON is for JSON.parse to say. */
export function checkNesting(text: string): void {
  let depth = 0;
  MARKS.lastIndex = 0;
  for (let match = MARKS.exec(text); match !== null; match = MARKS.exec(text)) {
    const mark = match[0];
    if (mark === '"') {
      const end = stringEnd(text, match.index + 1);
      if (end < 0) return;
      MARKS.lastIndex = end + 1;
    } else if (mark === "[" || mark === "{") {
      if (++depth > MAX_NESTING) throw new Error(`nested more than ${MAX_NESTING} deep`);
    } else depth--;
  }
}

/** Where the string that has begun before `from` closes, or -1. */
function stringEnd(text: string, from: number): number {
  for (let end = text.indexOf('"', from); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === "\\") slashes++;
    if (slashes % 2 === 0) return end;
  }
  return -1;
}

/** A byte order mark is passed over. @throws Error for text that is not JSON, or nests too deep. */
export function parseJson(text: string): unknown {
  const body = text.startsWith("\uFEFF") ? text.slice(1) : text;
  checkNesting(body);
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
