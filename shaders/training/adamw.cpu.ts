// Semantics and shapes: adamw.wgsl. Items: ceil(COUNT / 1024): 1024 consecutive elements.
import { withoutSubnormals } from "../cpu/math.cpu";

@unmanaged
export class AdamwArgs {
  rule: usize;
  gradients: usize;
  values: usize;
  means: usize;
  squares: usize;
  COUNT: i32;
}

@unmanaged
class Rule {
  rate: f32;
  beta1: f32;
  beta2: f32;
  epsilon: f32;
  decay: f32;
  correction1: f32;
  correction2: f32;
  scale: f32;
}

const ELEMENTS: i32 = 1024;

export function adamw(args: usize, first: i32, end: i32): void {
  const a = changetype<AdamwArgs>(args);
  const rule = changetype<Rule>(a.rule);
  const scale = f32x4.splat(rule.scale), rate = f32x4.splat(rule.rate), kept = f32x4.splat(1 - rule.rate * rule.decay);
  const beta1 = f32x4.splat(rule.beta1), rest1 = f32x4.splat(1 - rule.beta1), c1 = f32x4.splat(rule.correction1);
  const beta2 = f32x4.splat(rule.beta2), rest2 = f32x4.splat(1 - rule.beta2), c2 = f32x4.splat(rule.correction2);
  const epsilon = f32x4.splat(rule.epsilon);
  const last = <usize>min(end * ELEMENTS, a.COUNT) << 2;
  for (let i = <usize>(first * ELEMENTS) << 2; i < last; i += 16) {
    const g = f32x4.mul(v128.load(a.gradients + i), scale);
    // What gets no gradient any more decays towards zero and would stay subnormal for long.
    const m = withoutSubnormals(f32x4.add(f32x4.mul(beta1, v128.load(a.means + i)), f32x4.mul(rest1, g)));
    const v = withoutSubnormals(f32x4.add(f32x4.mul(beta2, v128.load(a.squares + i)), f32x4.mul(f32x4.mul(rest2, g), g)));
    v128.store(a.means + i, m);
    v128.store(a.squares + i, v);
    const step = f32x4.div(f32x4.div(m, c1), f32x4.add(f32x4.sqrt(f32x4.div(v, c2)), epsilon));
    v128.store(a.values + i, f32x4.sub(f32x4.mul(v128.load(a.values + i), kept), f32x4.mul(rate, step)));
  }
}
