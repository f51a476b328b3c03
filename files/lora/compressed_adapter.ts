// An adapter of a compressed set: factors it shares with the others of its cluster, and a small core of its own.

import type { AdapterReport } from "../../proto/api.ts";
import type { LoraModuleName } from "../families/modules.ts";
import type { Adapter, LoraModule } from "./adapter.ts";
import type { Compressed, SharedModule } from "./shared_factors.ts";

/** An adapter whose pairs of factors, B = U · core and A = V, are worked out when somebody asks for them. */
export class CompressedAdapter implements Adapter {
  readonly name: string;
  readonly hash: string;
  readonly report: AdapterReport;
  readonly compressed: Compressed;
  #layers: WeakRef<Adapter["layers"]> | undefined;

  constructor(name: string, hash: string, report: AdapterReport, compressed: Compressed) {
    this.name = name;
    this.hash = hash;
    this.report = report;
    this.compressed = compressed;
  }

  get layers(): Adapter["layers"] {
    const known = this.#layers?.deref();
    if (known !== undefined) return known;
    const layers = this.compressed.cores.map((_, i) => expandedLayer(this.compressed, i));
    this.#layers = new WeakRef(layers);
    return layers;
  }
}

/** The same adapter as one that shares nothing, for whoever trains or scores with it. */
export function plainAdapter(adapter: Adapter): Adapter {
  if (adapter.compressed === undefined) return adapter;
  const { name, hash, layers, report } = adapter;
  return { name, hash, layers, report };
}

/** One layer's modules without sharing: B = U · core, A = V. */
export function expandedLayer({ shared, cores }: Compressed, layer: number): Adapter["layers"][number] {
  const pairs = Object.entries(cores[layer]).map(([name, core]) => [
    name,
    pairOf(shared.layers[layer][name as LoraModuleName]!, core),
  ]);
  return Object.fromEntries(pairs);
}

function pairOf({ rank, u, v }: SharedModule, core: Float32Array): LoraModule {
  const b = new Float32Array(u.length);
  const full = core.length === rank * rank;
  for (let row = 0; row < u.length; row += rank) {
    for (let to = 0; to < rank; to++) {
      let sum = 0;
      if (!full) sum = u[row + to] * core[to];
      else for (let from = 0; from < rank; from++) sum += u[row + from] * core[from * rank + to];
      b[row + to] = sum;
    }
  }
  return { rank, scale: 1, a: v, b };
}
