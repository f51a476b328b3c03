// Which adapter and mixture each name stands for now, and which generations are still in use. A recipe is a mixture to whoever
// names it.
// It reads no files and holds no device; who keeps something for a generation's key is told when it may go.

import { BASE_NAME, checkName } from "../../files/lora/names.ts";
import { type ErrorCode, MoloraError } from "../../proto/errors.ts";
import type { Mixture } from "../../router/mixture.ts";
import {
  type ExpertAdapter,
  heldBy,
  type LoadedAdapter,
  type LoadedGeneration,
  type LoadedMixture,
  type LoadedRecipe,
  loadedAdapter,
  loadedMixture,
  type PreparedRouter,
  UNPREPARED,
} from "./generation.ts";
import { type NamedKind, namedKind, withArticle } from "./named_kind.ts";
import type { PackedAdapter } from "./pack_adapter.ts";

/** A running request's hold on a generation: whatever is loaded or unloaded, it stays. */
export interface Pin<T extends LoadedGeneration = LoadedGeneration> {
  readonly generation: T;
  /** Gives the hold back; further calls do nothing. */
  release(): void;
}

/** Says no to a generation by throwing; nothing has changed then. */
export type Check = (generation: LoadedGeneration) => void;

/** Names that a message lists. */
const MOST_SHOWN = 32;

/** Who keeps something for generations. */
interface Told {
  /** A key is held that was not. */
  onHold?(generation: LoadedGeneration): void;
  /** The last hold on a key is gone: no request or name can reach it any more. */
  onRelease?(generation: LoadedGeneration): void;
  /** The last request that held something has ended. */
  onIdle?(): void;
}

interface Use {
  generation: LoadedGeneration;
  /** Names, mixtures and requests that hold it. */
  holds: number;
  /** Requests among them. */
  running: number;
}

/**
 * Names and generations. Every method either does the whole of its work or throws and changes nothing. Adapters and
 * mixtures share one space of names, since a request may say either.
 */
export class Registry {
  readonly #names = new Map<string, LoadedGeneration>();
  readonly #uses = new Map<string, Use>();
  readonly #told: Required<Told>;

  constructor({ onHold = () => {}, onRelease = () => {}, onIdle = () => {} }: Told = {}) {
    this.#told = { onHold, onRelease, onIdle };
  }

  /**
   * Makes the adapter's name stand for it from now on; requests that run keep what they started with.
   * @throws MoloraError `bad_request` for a name that cannot be taken, or what `check` throws.
   */
  addAdapter(adapter: PackedAdapter, check: Check = () => {}): LoadedAdapter {
    this.#checkFree(adapter.name, "adapter");
    const loaded = loadedAdapter(adapter);
    check(loaded);
    this.#bind(loaded);
    return loaded;
  }

  /**
   * The same for a mixture. `adapters[i]` serves expert i, undefined where that adds nothing; they are held by the
   * mixture itself, whatever becomes of their names.
   * @throws MoloraError `mixture_invalid` where an expert and its adapter do not belong together, `checksum_mismatch`
   * where the mixture was made for another generation of it, `bad_request`, or what `check` throws.
   */
  addMixture(
    mixture: Mixture,
    adapters: readonly ExpertAdapter[],
    check: Check = () => {},
    prepared: PreparedRouter = UNPREPARED,
  ): LoadedMixture {
    return this.add(loadedMixture(mixture, adapters, prepared), check);
  }

  /** Makes the name of a mixture or a recipe stand for it. @throws MoloraError `bad_request`, or what `check` throws. */
  add<T extends LoadedMixture | LoadedRecipe>(loaded: T, check: Check = () => {}): T {
    this.#checkFree(loaded.name, "mixture");
    check(loaded);
    this.#bind(loaded);
    return loaded;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** What the name stands for now; undefined: nothing. */
  find(name: string): LoadedGeneration | undefined {
    return this.#names.get(name);
  }

  /** All that is held, each once, whether it has a name still or not. */
  generations(): LoadedGeneration[] {
    return [...this.#uses.values()].map(({ generation }) => generation);
  }

  /** What is held under a key. */
  generation(key: string): LoadedGeneration | undefined {
    return this.#uses.get(key)?.generation;
  }

  /** Names, mixtures and requests that hold it. */
  holds({ key }: LoadedGeneration): number {
    return this.#uses.get(key)?.holds ?? 0;
  }

  /** Requests that hold it. */
  running({ key }: LoadedGeneration): number {
    return this.#uses.get(key)?.running ?? 0;
  }

  /** What the name stands for now. @throws MoloraError `unknown_adapter`. */
  adapter(name: string): LoadedAdapter {
    const found = this.#names.get(name);
    if (found?.kind === "adapter") return found;
    throw this.#unknown("adapter", name, found);
  }

  /** What the name stands for now. @throws MoloraError `unknown_mixture`. */
  mixture(name: string): LoadedMixture | LoadedRecipe {
    const found = this.#names.get(name);
    if (found !== undefined && found.kind !== "adapter") return found;
    throw this.#unknown("mixture", name, found);
  }

  /** Every name and what it stands for, in the order of loading; `running` counts the requests that hold it. */
  list(): { generation: LoadedGeneration; running: number }[] {
    return [...this.#names.values()].map((generation) => ({ generation, running: this.running(generation) }));
  }

  /** Holds a generation for a request. @throws MoloraError `internal` where no name and no request holds it any more. */
  pin<T extends LoadedGeneration>(generation: T): Pin<T> {
    const use = this.#uses.get(generation.key);
    if (use === undefined) throw new MoloraError("internal", `${generation.kind} "${generation.name}" is gone`);
    use.holds++;
    use.running++;
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      use.running--;
      this.#drop(generation.key);
      if (use.running === 0) this.#told.onIdle();
    };
    return { generation, release };
  }

  /** Forgets the name. Requests and mixtures that hold the generation keep it. @throws MoloraError `unknown_adapter`. */
  removeAdapter(name: string): void {
    const { key } = this.adapter(name);
    this.#names.delete(name);
    this.#drop(key);
  }

  /** The same for a mixture. @throws MoloraError `unknown_mixture`. */
  removeMixture(name: string): void {
    const { key } = this.mixture(name);
    this.#names.delete(name);
    this.#drop(key);
  }

  #checkFree(name: string, kind: NamedKind): void {
    checkName(withArticle(kind), name, "bad_request");
    if (name === BASE_NAME) {
      throw new MoloraError("bad_request", `"${BASE_NAME}" is the base model itself`, {
        remedy: `Load the ${kind} under another name.`,
      });
    }
    const taken = this.#names.get(name);
    if (taken === undefined || namedKind(taken) === kind) return;
    throw new MoloraError("bad_request", `"${name}" already names a loaded ${namedKind(taken)}`, {
      remedy: `Load the ${kind} under another name, or unload the ${namedKind(taken)} first.`,
    });
  }

  /** The new generation is held before the old one is let go, so that what both share is never released between. */
  #bind(loaded: LoadedGeneration): void {
    const previous = this.#names.get(loaded.name);
    this.#hold(loaded);
    this.#names.set(loaded.name, loaded);
    if (previous !== undefined) this.#drop(previous.key);
  }

  #hold(generation: LoadedGeneration): void {
    const use = this.#uses.get(generation.key);
    if (use !== undefined) {
      use.holds++;
      return;
    }
    this.#uses.set(generation.key, { generation, holds: 1, running: 0 });
    this.#told.onHold(generation);
    for (const part of heldBy(generation)) this.#hold(part);
  }

  #drop(key: string): void {
    const use = this.#uses.get(key)!;
    if (--use.holds > 0) return;
    this.#uses.delete(key);
    this.#told.onRelease(use.generation);
    for (const part of heldBy(use.generation)) this.#drop(part.key);
  }

  #unknown(kind: NamedKind, name: string, found: LoadedGeneration | undefined): MoloraError {
    const code: ErrorCode = kind === "adapter" ? "unknown_adapter" : "unknown_mixture";
    const all = [...this.#names.values()].filter((loaded) => namedKind(loaded) === kind).map((loaded) => loaded.name);
    const known = all.slice(0, MOST_SHOWN);
    const more = all.length > known.length ? ` and ${all.length - known.length} more` : "";
    const loaded = known.length === 0 ? `No ${kind} is loaded.` : `Loaded: ${known.join(", ")}${more}.`;
    const remedy = found === undefined ? loaded : `It names ${withArticle(namedKind(found))}: ask for it as one.`;
    return new MoloraError(code, `no ${kind} is named ${JSON.stringify(name)}`, { remedy, details: { known } });
  }
}
