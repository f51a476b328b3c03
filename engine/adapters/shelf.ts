// Host memory for adapters and mixtures: how many bytes they take, and which give way when others need the room.
// What somebody uses, or pinned, stays.

import { MoloraError } from "../../proto/errors.ts";
import type { Mixture } from "../../router/mixture.ts";
import type { Usage } from "../memory/usage.ts";
import type { Catalogue } from "./catalogue.ts";
import type { LoadedGeneration, PreparedRouter } from "./generation.ts";
import type { PackedAdapter } from "./pack_adapter.ts";
import type { Registry } from "./registry.ts";

export interface ShelfParts {
  registry: Registry;
  catalogue: Catalogue;
  usage: Usage;
  /** Bytes; undefined: as many as there are. */
  budget: number | undefined;
}

export class Shelf {
  readonly #parts: ShelfParts;
  /** By key, as it was when it was first held. */
  readonly #sizes = new Map<string, number>();
  #bytes = 0;
  #evictions = 0;
  #waiting: (() => void)[] = [];
  /** Names that one request is gathering. */
  #gathered: ReadonlySet<string> = new Set();

  constructor(parts: ShelfParts) {
    this.#parts = parts;
  }

  get budget(): number | undefined {
    return this.#parts.budget;
  }

  /** What generations take that somebody holds. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A generation is held that was not. */
  held(generation: LoadedGeneration): void {
    const bytes = hostBytes(generation);
    this.#sizes.set(generation.key, bytes);
    this.#bytes += bytes;
  }

  /** Nobody holds a generation any more. */
  left({ key }: LoadedGeneration): void {
    this.#bytes -= this.#sizes.get(key) ?? 0;
    this.#sizes.delete(key);
  }

  /** Names that lost their place to others. */
  get evictions(): number {
    return this.#evictions;
  }

  /** None of these names gives way until others are named here: one request needs them all at once. */
  gather(names: readonly string[]): void {
    this.#gathered = new Set(names);
    this.released();
  }

  /** Somebody gave up what they used: there may be room now. */
  released(): void {
    for (const go of this.#waiting.splice(0)) go();
  }

  /**
   * Calls `keep` once there are `bytes` free for what it puts into the registry at once. Waits for requests to end where all that could
   * give way is in use.
   *
   * @throws MoloraError `out_of_pages` where there can never be so much
   */
  async withRoom<T>(name: string, bytes: number, keep: () => Promise<T>): Promise<T> {
    const { budget } = this.#parts;
    while (budget !== undefined && !this.#makeRoom(name, bytes, budget)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return keep();
    } finally {
      // It may have come in the place of an older generation.
      this.released();
    }
  }

  #makeRoom(name: string, bytes: number, budget: number): boolean {
    const fits = () => this.bytes + bytes <= budget;
    // A mixture that goes lets its adapters go after it.
    while (!fits() && this.#putAside(fits)) {}
    if (fits()) return true;
    const staying = this.#held(({ generation }) => this.#stays(generation.name));
    const inUse = this.#parts.registry.list().some(({ running }) => running > 0);
    // Nobody's end would make room.
    if (staying + bytes > budget || !inUse) throw tooLarge(name, bytes, inUse ? staying : this.bytes, budget);
    return false;
  }

  /** Takes names away until it is enough. False where none could be. */
  #putAside(isEnough: () => boolean): boolean {
    const { registry, usage } = this.#parts;
    const idle = registry
      .list()
      .filter(({ generation, running }) => running === 0 && !this.#stays(generation.name))
      .map(({ generation }) => generation);
    let any = false;
    for (const victim of usage.order(idle, ({ name }) => name)) {
      if (isEnough()) break;
      // Something else holds it too: losing names would free nothing.
      const names = idle.filter(({ key }) => key === victim.key).map(({ name }) => name);
      if (!registry.has(victim.name) || registry.holds(victim) > names.length) continue;
      for (const name of names) {
        if (victim.kind === "adapter") registry.removeAdapter(name);
        else registry.removeMixture(name);
        this.#evictions++;
      }
      any = true;
    }
    return any;
  }

  /** Bytes of the generations that have a name of this kind. */
  #held(is: (each: { generation: LoadedGeneration }) => boolean): number {
    const held = new Map(
      this.#parts.registry
        .list()
        .filter(is)
        .map(({ generation }) => [generation.key, generation]),
    );
    return [...held.values()].reduce((sum, generation) => sum + hostBytes(generation), 0);
  }

  #stays(name: string): boolean {
    const entry = this.#parts.catalogue.get(name);
    return entry === undefined || entry.pinned || entry.path === undefined || this.#gathered.has(name);
  }
}

/** Bytes of what a generation keeps as long as it is in host memory, without what it holds. */
export function hostBytes(generation: LoadedGeneration): number {
  if (generation.kind === "recipe") return 0; // what it holds is counted by itself
  if (generation.kind === "adapter") return adapterHostBytes(generation.adapter);
  return routerHostBytes(generation.mixture, generation.prepared);
}

/** With its own embedding and head: they lie on the device, and go when it goes. */
export function adapterHostBytes({ runs, tableBytes = 0 }: Pick<PackedAdapter, "runs" | "tableBytes">): number {
  return bytesOf(runs) + tableBytes;
}

export function routerHostBytes({ router }: Mixture, { prototypes, gates = [] }: PreparedRouter): number {
  const known = prototypes.flatMap((layer) => layer.filter((prototype) => prototype !== undefined));
  if (router.type !== "mlp") return bytesOf(known);
  const own = router.layers.flatMap((gate) => [gate.fc1Weight, gate.fc1Bias, gate.fc2Weight, gate.fc2Bias]);
  return bytesOf([...own, ...gates]);
}

function bytesOf(arrays: readonly ArrayBufferView[]): number {
  return arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function tooLarge(name: string, bytes: number, pinned: number, budget: number): MoloraError {
  const beside = pinned === 0 ? "" : ` beside ${pinned} that stay`;
  return new MoloraError(
    "out_of_pages",
    `"${name}" takes ${bytes} bytes of host memory${beside}; there are ${budget}`,
    {
      remedy: "Give the engine more hostCacheBytes (--host-cache-bytes), or unpin something.",
      details: { bytes, pinned, budget },
    },
  );
}
