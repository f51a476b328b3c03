// Semantics and shapes: label_loss.wgsl. Items: sequences.
import { zeroBytes } from "../cpu/bytes.cpu";
import { stayedShare } from "../cpu/belief.cpu";
import { exp1, log1, sigmoid1, withoutTiny } from "../cpu/math.cpu";
import { scratch } from "../cpu/scratch.cpu";
import { sequenceAt } from "../step.cpu";

@unmanaged
export class LabelLossArgs {
  sequences: usize;
  targets: usize;
  evidence: usize;
  dz: usize;
  report: usize;
  EXPERTS: i32;
  STRIDE: i32;
  BELIEF: i32;
}

/** A sequence's report. */
@unmanaged
class Report {
  loss: f32;
  agreed: f32;
  weight: f32;
  tokens: f32;
}

export function label_loss(args: usize, first: i32, end: i32): void {
  const a = changetype<LabelLossArgs>(args);
  const bytes = <usize>a.EXPERTS << 2;
  for (let s = first; s < end; s++) {
    const sequence = sequenceAt(a.sequences, s);
    const report = changetype<Report>(a.report + (<usize>s << 4));
    zeroBytes(changetype<usize>(report), 16);
    zeroBytes(scratch, bytes);
    for (let n = sequence.count - 1; n >= 0; n--) {
      const t = sequence.first + n;
      const normaliser: f32 = a.BELIEF ? 0 : logSum(evidenceAt(a, t), bytes);
      count(a, t, normaliser, report);
      handBack(a, t, n == 0, normaliser);
    }
  }
}

@inline
function evidenceAt(a: LabelLossArgs, t: i32): usize {
  return a.evidence + (<usize>(t * (a.EXPERTS + 1)) << 2);
}

/** Adds a token to the report, and −y to what the next one handed back. */
function count(a: LabelLossArgs, t: i32, normaliser: f32, report: Report): void {
  const bytes = <usize>a.EXPERTS << 2;
  const evidence = evidenceAt(a, t), targets = a.targets + <usize>t * bytes;
  let weight: f32 = 0;
  let best: usize = 0, wanted: usize = 0;
  for (let e: usize = 0; e < bytes; e += 4) {
    const y = load<f32>(targets + e), log = load<f32>(evidence + e);
    weight += y;
    report.loss -= y * (log - normaliser);
    store<f32>(scratch + e, load<f32>(scratch + e) - y);
    if (log > load<f32>(evidence + best)) best = e;
    if (y > load<f32>(targets + wanted)) wanted = e;
  }
  if (best == wanted) report.agreed += weight;
  report.weight += weight;
  if (weight > 0) report.tokens += 1;
}

/** From what the next token handed back to dz, and to what this one does. */
function handBack(a: LabelLossArgs, t: i32, isFirst: bool, normaliser: f32): void {
  const bytes = <usize>a.EXPERTS << 2, stride = <usize>a.STRIDE << 2;
  const evidence = evidenceAt(a, t), dz = a.dz + <usize>t * stride;
  const evenly = -log1(<f32>a.EXPERTS);
  const turn = load<f32>(evidence + bytes);
  let total: f32 = 0;
  for (let e: usize = 0; e < bytes; e += 4) total += load<f32>(scratch + e);
  let d_turn: f32 = 0;
  for (let e: usize = 0; e < bytes; e += 4) {
    const d = withoutTiny(load<f32>(scratch + e) - exp1(load<f32>(evidence + e) - normaliser) * total);
    store<f32>(dz + e, d);
    let later: f32 = 0;
    if (a.BELIEF) {
      const before = isFirst ? evenly : load<f32>(evidence + e - bytes - 4);
      const stayed = stayedShare(turn, evenly, before);
      d_turn += d * (sigmoid1(-turn) - stayed);
      later = withoutTiny(d * stayed);
    }
    store<f32>(scratch + e, later);
  }
  for (let e = bytes; e < stride; e += 4) store<f32>(dz + e, 0);
  if (a.BELIEF) store<f32>(dz + bytes, withoutTiny(d_turn));
}

function logSum(values: usize, bytes: usize): f32 {
  let top: f32 = -3.0e38;
  for (let e: usize = 0; e < bytes; e += 4) top = max<f32>(top, load<f32>(values + e));
  let sum: f32 = 0;
  for (let e: usize = 0; e < bytes; e += 4) sum += exp1(load<f32>(values + e) - top);
  return top + log1(sum);
}
