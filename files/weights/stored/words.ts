// Stored bytes as words: blocks are moved several bytes at a time.

type Words = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

export interface WordArray<W extends Words> {
  new (length: number): W;
  new (buffer: ArrayBuffer, offset: number, length: number): W;
  readonly BYTES_PER_ELEMENT: number;
}

/** The bytes as words, copied where they begin at an odd address. */
export function wordsOf<W extends Words>({ buffer, byteOffset, byteLength }: ArrayBufferView, Type: WordArray<W>): W {
  const size = Type.BYTES_PER_ELEMENT;
  if (byteOffset % size === 0 && buffer instanceof ArrayBuffer) return new Type(buffer, byteOffset, byteLength / size);
  return new Type(new Uint8Array(buffer, byteOffset, byteLength).slice().buffer, 0, byteLength / size);
}
