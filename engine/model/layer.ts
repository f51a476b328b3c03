// One decoder layer, in the order it is computed.

import type { Launch } from "../device/device.ts";
import { expertLaunches } from "./experts.ts";
import type { Stage } from "./stage.ts";

/** `between`: what else is to happen once the layer's tokens have their adapters. */
export function layer(s: Stage, i: number, between: readonly Launch[] = []): Launch[] {
  const { mlpNorm } = s.views.weights.layers[i];
  return [
    ...enter(s, i),
    ...between,
    ...s.linear("qkv", i),
    s.rotate(i),
    s.attend(i),
    ...s.linear("o", i),
    s.norm(mlpNorm, { layer: i, group: "o" }), // residual += attention; x = RMSNorm(residual)
    ...(expertLaunches(s, i) ?? mlp(s, i)),
  ];
}

function mlp(s: Stage, i: number): Launch[] {
  return [...s.linear("gateUp", i), s.activate(i), ...s.linear("down", i)];
}

/** Its beginning: the normed input, which routers read, and the adapters that each token takes here. */
export function enter(s: Stage, i: number): Launch[] {
  const { attentionNorm } = s.views.weights.layers[i];
  return [
    s.norm(attentionNorm, i === 0 ? undefined : { layer: i - 1, group: "down" }), // residual += MLP of the layer before
    ...(s.kind.routed ? s.route(i) : []),
  ];
}
