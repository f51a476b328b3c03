// The device structs that CPU bodies read: those of step.ts, field by field of 4 bytes.

@unmanaged
export class Step {
  tokens: i32;
  sequences: i32;
  rows: i32;
  entries: i32;
}

@unmanaged
export class Token {
  id: u32;
  position: i32;
  sequence: i32;
  cell: i32;
  turn: i32;
  pad0: i32;
  pad1: i32;
  pad2: i32;
}

@unmanaged
export class Sequence {
  first: i32;
  count: i32;
  start: i32;
  blocks: i32;
  slot: i32;
  router: i32;
  fixed: i32;
  pad: i32;
}

@unmanaged
export class Entry {
  address: i32;
  gate: f32;
  expert: u32;
  pad: u32;
}

@unmanaged
export class LogitRow {
  token: i32;
  slot: i32;
  given: u32;
  position: u32;
  temperature: f32;
  top_k: i32;
  top_p: f32;
  min_p: f32;
  repetition: f32;
  presence: f32;
  frequency: f32;
  seed: u32;
  report: i32;
  mask: u32;
  counted: u32;
  bias: u32;
  ids: i32;
  pad0: u32;
  pad1: u32;
  pad2: u32;
}

export const ON_DEVICE: u32 = 0xffffffff;
export const NO_EXPERT: u32 = 0xffffffff;
const LOGIT_ROW_BYTES: usize = 80;

@inline export function stepAt(step: usize): Step { return changetype<Step>(step); }
@inline export function tokenAt(tokens: usize, t: i32): Token { return changetype<Token>(tokens + (<usize>t << 5)); }
@inline export function sequenceAt(sequences: usize, s: i32): Sequence { return changetype<Sequence>(sequences + (<usize>s << 5)); }
@inline export function entryAt(table: usize, i: i32): Entry { return changetype<Entry>(table + (<usize>i << 4)); }
@inline export function logitRowAt(rows: usize, r: i32): LogitRow { return changetype<LogitRow>(rows + <usize>r * LOGIT_ROW_BYTES); }
