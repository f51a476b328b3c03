// Semantics: gate[t, i] = silu(fc1[i] · x[t] + b1[i])  (mlp),  |v_i · x[t]|  (arrow),  k_i · (x[t] − c) / |x[t] − c|  (keys),
// for the router of t's sequence.
// Shapes: x [T, HIDDEN] f32; gate [T, GATE_WIDTH] f32, zero from the router's width to the next multiple of 4, where route
// reads whole vec4s. Other routers need no hidden layer and write nothing.
// Where x comes as int8 (xq, xs) too, a router may hold fc1 in panels of q8_0: then its products are those of a linear layer.
// Items: ceil(T / 4) · ceil(widest gate / 4), tokens innermost: four rows for four tokens; those past a router's width do nothing.
// A panel is computed whole by the item of its first rows.
import { cosinesOne } from "../cpu/cosines.cpu";
import { behind, MLP, ARROW, KEYS, Router, routerAt } from "../cpu/router.cpu";
import { dotsOne, dotsTwo } from "../cpu/dots.cpu";
import { oneQ8, Q8_BLOCK } from "../formats/q8_0.cpu";
import { silu4 } from "../cpu/math.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { sequenceAt, stepAt, tokenAt } from "../step.cpu";

@unmanaged
export class GateArgs {
  step: usize;
  tokens: usize;
  sequences: usize;
  x: usize;
  xq: usize;
  xs: usize;
  pool: usize;
  gate: usize;
  HIDDEN: i32;
  GATE_WIDTH: i32;
}

const TOKENS: i32 = 4;

export function gate(args: usize, first: i32, end: i32): void {
  const a = changetype<GateArgs>(args);
  const tokens = stepAt(a.step).tokens;
  const blocks = (tokens + TOKENS - 1) / TOKENS;
  for (let item = first; item < end; item++) {
    const row = item / blocks * 4;
    let token = item % blocks * TOKENS;
    const last = min(token + TOKENS, tokens);
    while (token < last) {
      const router = routerOf(a, token);
      const pair = token + 1 < last && routerOf(a, token + 1) == router;
      if (router) compute(a, routerAt(a.pool, router), row, token, pair);
      token += pair ? 2 : 1;
    }
  }
}

@inline
function routerOf(a: GateArgs, token: i32): i32 {
  return sequenceAt(a.sequences, tokenAt(a.tokens, token).sequence).router;
}

/** Rows [row, row + 4) for a token or two. */
function compute(a: GateArgs, router: Router, row: i32, token: i32, pair: bool): void {
  const width = <i32>router.width;
  const keyed = <i32>router.kind == KEYS;
  if ((<i32>router.kind > ARROW && !keyed) || row >= width) return;
  if (router.bytes != 0) {
    if (row & 4) return;
    computePanel(a, router, row, token);
    if (pair) computePanel(a, router, row, token + 1);
    return;
  }
  const bytes = <usize>a.HIDDEN << 2;
  const matrix = behind(router, router.fc1);
  // Rows past the width: the last again, dropped when it is stored.
  const r0 = matrix + <usize>row * bytes;
  const r1 = matrix + <usize>min(row + 1, width - 1) * bytes;
  const r2 = matrix + <usize>min(row + 2, width - 1) * bytes;
  const r3 = matrix + <usize>min(row + 3, width - 1) * bytes;
  const x = a.x + <usize>token * bytes;
  if (keyed) {
    const center = behind(router, router.b1);
    put(a, router, row, token, cosinesOne(x, center, r0, r1, r2, r3, bytes));
    if (pair) put(a, router, row, token + 1, cosinesOne(x + bytes, center, r0, r1, r2, r3, bytes));
  } else if (pair) {
    dotsTwo(x, x + bytes, r0, r1, r2, r3, bytes, scratch);
    put(a, router, row, token, v128.load(scratch));
    put(a, router, row, token + 1, v128.load(scratch, 16));
  } else {
    put(a, router, row, token, dotsOne(x, r0, r1, r2, r3, bytes));
  }
}

/** Rows [row, row + 8) for a token. */
function computePanel(a: GateArgs, router: Router, row: i32, token: i32): void {
  const blocks = a.HIDDEN >> 5;
  const panel = behind(router, router.fc1) + <usize>(row >> 3) * <usize>(blocks * Q8_BLOCK);
  oneQ8(panel, blocks, a.xq + <usize>token * a.HIDDEN, a.xs + (<usize>(token * blocks) << 3), scratch);
  const high = v128.load(scratch, 16);
  put(a, router, row, token, v128.load(scratch));
  if (row + 4 < <i32>router.width) put(a, router, row + 4, token, high);
}

function put(a: GateArgs, router: Router, row: i32, token: i32, sums: v128): void {
  const inside = i32x4.lt_s(i32x4.add(i32x4.splat(row), i32x4(0, 1, 2, 3)), i32x4.splat(<i32>router.width));
  let value = sums;
  if (<i32>router.kind == MLP) value = silu4(f32x4.add(sums, v128.load(behind(router, router.b1) + (<usize>row << 2))));
  else if (<i32>router.kind == ARROW) value = f32x4.abs(sums);
  v128.store(a.gate + (<usize>(token * a.GATE_WIDTH + row) << 2), v128.and(value, inside));
}
