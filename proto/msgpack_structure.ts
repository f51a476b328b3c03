// A walk over MessagePack bytes before they are decoded: lengths that lie, deep nesting and extensions stop here.
// It builds no values, so a few bytes cannot make it allocate much.

/** Deeper than any message of the contract, error details included. */
const MAX_DEPTH = 32;

/** Type bytes (MessagePack specification) followed by this many bytes of payload of fixed size. */
const FIXED_SIZE: Readonly<Record<number, number>> = {
  192: 0, // nil
  194: 0, // false
  195: 0, // true
  202: 4, // float 32
  203: 8, // float 64
  204: 1, // uint 8
  205: 2, // uint 16
  206: 4, // uint 32
  207: 8, // uint 64
  208: 1, // int 8
  209: 2, // int 16
  210: 4, // int 32
  211: 8, // int 64
};

/** @throws Error unless `bytes` hold exactly one value of nil, boolean, number, string, bytes, array or string-keyed map. */
export function checkStructure(bytes: Uint8Array): void {
  const end = skipValue(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, MAX_DEPTH);
  if (end !== bytes.byteLength) throw new Error(`${bytes.byteLength - end} bytes after the message`);
}

/** Offset behind the value at `at`. DataView throws a RangeError where the bytes end early. */
function skipValue(view: DataView, at: number, depth: number): number {
  if (depth === 0) throw new Error(`nested more than ${MAX_DEPTH} deep`);
  const type = view.getUint8(at);
  if (type <= 0x7f || type >= 0xe0) return at + 1; // fixint
  const text = stringAt(view, at, type);
  if (text !== undefined) return text;
  if (type === 0xc4) return inside(view, at + 2 + view.getUint8(at + 1));
  if (type === 0xc5) return inside(view, at + 3 + view.getUint16(at + 1));
  if (type === 0xc6) return inside(view, at + 5 + view.getUint32(at + 1));
  if ((type & 0xf0) === 0x80) return skipItems(view, at + 1, type & 0x0f, true, depth);
  if ((type & 0xf0) === 0x90) return skipItems(view, at + 1, type & 0x0f, false, depth);
  if (type === 0xdc) return skipItems(view, at + 3, view.getUint16(at + 1), false, depth);
  if (type === 0xdd) return skipItems(view, at + 5, view.getUint32(at + 1), false, depth);
  if (type === 0xde) return skipItems(view, at + 3, view.getUint16(at + 1), true, depth);
  if (type === 0xdf) return skipItems(view, at + 5, view.getUint32(at + 1), true, depth);
  const size = FIXED_SIZE[type];
  if (size === undefined) throw new Error(`type byte 0x${type.toString(16)} (extension or unused)`);
  return inside(view, at + 1 + size);
}

/** Offset behind a string, or undefined where there is none. */
function stringAt(view: DataView, at: number, type: number): number | undefined {
  if ((type & 0xe0) === 0xa0) return utf8(view, at + 1, type & 0x1f);
  if (type === 0xd9) return utf8(view, at + 2, view.getUint8(at + 1));
  if (type === 0xda) return utf8(view, at + 3, view.getUint16(at + 1));
  if (type === 0xdb) return utf8(view, at + 5, view.getUint32(at + 1));
  return undefined;
}

function skipItems(view: DataView, start: number, count: number, keyed: boolean, depth: number): number {
  // Every item takes a byte at least: a count beyond what is left is refused before anything is allocated for it.
  inside(view, start + count * (keyed ? 2 : 1));
  let at = start;
  for (let i = 0; i < count; i++) {
    if (keyed) {
      const behindKey = stringAt(view, at, view.getUint8(at));
      if (behindKey === undefined) throw new Error("a map key that is not a string");
      at = behindKey;
    }
    at = skipValue(view, at, depth - 1);
  }
  return at;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function utf8(view: DataView, start: number, length: number): number {
  const end = inside(view, start + length);
  decoder.decode(new Uint8Array(view.buffer, view.byteOffset + start, length));
  return end;
}

function inside(view: DataView, end: number): number {
  if (end > view.byteLength) throw new Error("the frame ends early");
  return end;
}
