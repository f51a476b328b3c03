// Semantics and shapes: backward_attention_key_value.wgsl. Items: ceil(T / 32) · KV_HEADS, heads innermost: 32 neighbouring
// keys. A sum runs over tiles of 32 tokens, in a tile over heads, for a head over tokens.
import { copyBytes, zeroBytes } from "../cpu/bytes.cpu";
import { gradientRow, KEY_BYTES, runLength, scoreTile, TOKENS } from "../cpu/causal_tiles.cpu";
import { packColumns, packTransposed, tileOuter } from "../cpu/columns.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { Sequence, sequenceAt, stepAt, tokenAt } from "../step.cpu";

@unmanaged
export class BackwardAttentionKeyValueArgs {
  step: usize;
  tokens: usize;
  sequences: usize;
  qkv: usize;
  lse: usize;
  d_attended: usize;
  delta: usize;
  dqkv: usize;
  HEADS: i32;
  KV_HEADS: i32;
  DIM4: i32;
  ROW4: i32;
  SCALE: f32;
}

/** Keys of an item. */
const KEYS: i32 = TOKENS;
/** Tokens of a tile. */
const QUERIES: i32 = 32;
const PRODUCTS: usize = <usize>QUERIES * KEY_BYTES;
const PANELS: usize = 2 * PRODUCTS;

export function backward_attention_key_value(args: usize, first: i32, end: i32): void {
  const a = changetype<BackwardAttentionKeyValueArgs>(args);
  const tokens = stepAt(a.step).tokens;
  for (let item = first; item < end; item++) {
    let token = item / a.KV_HEADS * KEYS;
    const last = min(token + KEYS, tokens);
    while (token < last) {
      const count = runLength(a.tokens, a.sequences, token, last);
      back(a, token, count, item % a.KV_HEADS);
      token += count;
    }
  }
}

/** Keys [token, token + count) of a sequence, in one group of heads. Panels, then sums, lie behind the scores in scratch. */
function back(a: BackwardAttentionKeyValueArgs, token: i32, count: i32, group: i32): void {
  const dim = 4 * a.DIM4, bytes = <usize>a.DIM4 << 4, row = <usize>a.ROW4 << 4, tile = <usize>KEYS * bytes;
  const sequence = sequenceAt(a.sequences, tokenAt(a.tokens, token).sequence);
  const key = <usize>token * row + <usize>(a.HEADS + group) * bytes, value = key + <usize>a.KV_HEADS * bytes;
  const keyPanels = scratch + PANELS, valuePanels = keyPanels + tile;
  packTransposed(a.qkv + key, row, count, dim, keyPanels, bytes << 3);
  packTransposed(a.qkv + value, row, count, dim, valuePanels, bytes << 3);
  const dk = valuePanels + tile + 2 * (<usize>QUERIES * bytes), dv = dk + tile;
  zeroBytes(dk, 2 * tile);
  const shared = a.HEADS / a.KV_HEADS;
  for (let base = (token - sequence.first) & ~(QUERIES - 1); base < sequence.count; base += QUERIES) {
    for (let h = group * shared; h < (group + 1) * shared; h++) backHead(a, sequence, base, h, token, count, dk, dv);
  }
  for (let n = 0; n < count; n++) {
    copyBytes(a.dqkv + key + <usize>n * row, dk + <usize>n * bytes, bytes);
    copyBytes(a.dqkv + value + <usize>n * row, dv + <usize>n * bytes, bytes);
  }
}

/** What a tile of a head's queries adds to dk and dv, both [KEYS][HEAD_DIM]. */
function backHead(
  a: BackwardAttentionKeyValueArgs, sequence: Sequence, base: i32, head: i32, token: i32, count: i32, dk: usize, dv: usize,
): void {
  const dim = 4 * a.DIM4, bytes = <usize>a.DIM4 << 4, row = <usize>a.ROW4 << 4, tile = <usize>KEYS * bytes;
  const from = sequence.first + base, queries = min(QUERIES, sequence.count - base);
  const own = <usize>(from * a.HEADS + head), stride = <usize>a.HEADS * bytes;
  const q = a.qkv + <usize>from * row + <usize>head * bytes, d_out = a.d_attended + own * bytes;
  const products = scratch + PRODUCTS, keyPanels = scratch + PANELS, valuePanels = keyPanels + tile;
  const queryColumns = valuePanels + tile, outColumns = queryColumns + <usize>QUERIES * bytes;
  packColumns(q, row, queries, dim, queryColumns);
  packColumns(d_out, stride, queries, dim, outColumns);
  scoreTile(keyPanels, dim, count, q, row, queries, scratch);
  scoreTile(valuePanels, dim, count, d_out, stride, queries, products);
  for (let n = 0; n < queries; n++) {
    const score = <usize>n * KEY_BYTES, entry = own + <usize>n * a.HEADS << 2;
    // In whole groups of four keys: those past the last are the last again, and their sums are dropped.
    gradientRow(
      scratch + score, products + score, (count + 3) & ~3, from + n - token, a.SCALE,
      load<f32>(a.lse + entry), load<f32>(a.delta + entry),
    );
  }
  for (let s = 0; s < count; s += 4) {
    const at = <usize>s << 2;
    for (let d = 0; d < dim; d += 8) {
      const panel = <usize>(queries * d) << 2, to = <usize>s * bytes + (<usize>d << 2);
      const wide = dim - d >= 8;
      tileOuter(outColumns + panel, queries, scratch + at, KEY_BYTES, dv + to, bytes, wide);
      tileOuter(queryColumns + panel, queries, products + at, KEY_BYTES, dk + to, bytes, wide);
    }
  }
}
