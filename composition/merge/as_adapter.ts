// A merge as an adapter in memory, to be measured or served without being written.

import type { Adapter } from "../../files/lora/adapter.ts";
import type { MergedAdapter } from "./merge.ts";

/** `name` stands in for a hash as well: it only tells it from others loaded beside it. */
export function asAdapter(name: string, { layers, report: { ranks } }: MergedAdapter): Adapter {
  const modules = layers.flatMap((layer, i) => Object.entries(layer).map(([module, lora]) => ({ i, module, lora })));
  return {
    name,
    hash: `merged/${name}`,
    layers,
    report: {
      name,
      hash: `merged/${name}`,
      matched: modules.map(({ i, module }) => `layers.${i}.${module}`),
      unmatched: [],
      ranks: [...ranks],
      scales: [1],
      bytes: modules.reduce((sum, { lora: { a, b } }) => sum + a.byteLength + b.byteLength, 0),
    },
  };
}
