// A model's tokens as a tree of their bytes: beginnings that tokens share are tried once for all of them.

import { NEAR } from "../language/automaton.ts";

export interface TokenList {
  /** Bytes of all tokens, one after the other; special tokens have none. */
  bytes: Uint8Array;
  /** Token i's begin at `offsets[i]` and end at `offsets[i + 1]`. */
  offsets: Uint32Array;
  /** Ids of a mask: as many as tokens, or more. */
  vocabSize: number;
}

/** Nodes in the order of a walk: each before those below it. Long tokens are few, and stand beside the tree. */
export class Vocabulary {
  readonly list: TokenList;
  readonly words: number;
  /** Most bytes of a token in the tree. */
  readonly longest: number;
  /** Tokens of more bytes than `NEAR`. */
  readonly long: readonly number[];
  readonly nodes: number;
  /** By node: its byte, how many bytes lead to it, the first node that is not below it. */
  readonly byte: Uint8Array;
  readonly depth: Uint16Array;
  readonly skip: Uint32Array;
  /** Tokens that end at node n: `tokens[starts[n]]` to `tokens[starts[n + 1]]`. */
  readonly starts: Uint32Array;
  readonly tokens: Uint32Array;

  constructor(list: TokenList) {
    const { bytes, offsets, vocabSize } = list;
    const size = (id: number) => offsets[id + 1] - offsets[id];
    const count = Math.min(offsets.length - 1, vocabSize);
    const all = Array.from({ length: count }, (_, id) => id);
    const ids = all.filter((id) => size(id) > 0 && size(id) <= NEAR);
    this.long = all.filter((id) => size(id) > NEAR);
    ids.sort((a, b) => compare(bytes, offsets, a, b));
    const most = ids.reduce((sum, id) => sum + size(id), 0);
    const byte = new Uint8Array(most);
    const depth = new Uint16Array(most);
    const starts: number[] = [];
    let nodes = 0;
    let last: number | undefined;
    for (const [place, id] of ids.entries()) {
      for (let d = last === undefined ? 0 : shared(bytes, offsets, last, id); d < size(id); d++) {
        byte[nodes] = bytes[offsets[id] + d];
        depth[nodes] = d + 1;
        starts[nodes++] = place;
      }
      last = id;
    }
    // A node's tokens are those that end just there: of the ones from its place on, which begin with its bytes.
    starts.push(ids.length);
    const own = new Uint32Array(nodes + 1);
    const tokens: number[] = [];
    for (let n = 0; n < nodes; n++) {
      own[n] = tokens.length;
      for (let at = starts[n]; at < ids.length && size(ids[at]) === depth[n]; at++) {
        if (at > starts[n] && compare(bytes, offsets, ids[starts[n]], ids[at]) !== 0) break;
        tokens.push(ids[at]);
      }
    }
    own[nodes] = tokens.length;
    this.list = list;
    this.words = Math.ceil(vocabSize / 32);
    this.longest = ids.reduce((longest, id) => Math.max(longest, size(id)), 0);
    this.nodes = nodes;
    this.byte = byte.subarray(0, nodes);
    this.depth = depth.subarray(0, nodes);
    this.skip = skips(this.depth);
    this.starts = own;
    this.tokens = Uint32Array.from(tokens);
  }

  bytesOf(id: number): Uint8Array {
    const { bytes, offsets } = this.list;
    return bytes.subarray(offsets[id], offsets[id + 1]);
  }
}

/** By bytes, a beginning before what it begins, then by id. */
function compare(bytes: Uint8Array, offsets: Uint32Array, a: number, b: number): number {
  const at = shared(bytes, offsets, a, b);
  const left = offsets[a] + at < offsets[a + 1] ? bytes[offsets[a] + at] : -1;
  const right = offsets[b] + at < offsets[b + 1] ? bytes[offsets[b] + at] : -1;
  return left - right;
}

/** Bytes that two tokens begin with alike. */
function shared(bytes: Uint8Array, offsets: Uint32Array, a: number, b: number): number {
  const most = Math.min(offsets[a + 1] - offsets[a], offsets[b + 1] - offsets[b]);
  let same = 0;
  while (same < most && bytes[offsets[a] + same] === bytes[offsets[b] + same]) same++;
  return same;
}

function skips(depth: Uint16Array): Uint32Array {
  const skip = new Uint32Array(depth.length);
  const open: number[] = [];
  for (let n = 0; n <= depth.length; n++) {
    const level = n < depth.length ? depth[n] : 0;
    while (open.length > 0 && depth[open[open.length - 1]] >= level) skip[open.pop()!] = n;
    open.push(n);
  }
  return skip;
}
