// One stack, mixture or recipe that is watched: its agreement layer by layer over the last tokens, and what it was before a new
// generation of one of its adapters.

import type { Accepted, AgreementAlert, AgreementReport, Generation } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";

export interface AgreementSettings {
  /** An alert is raised where the agreement falls by more than this, as a share of parameters. 0: nothing is watched. */
  drop: number;
  /** Tokens on either side of the change that are compared. */
  window: number;
}

const DEFAULTS: AgreementSettings = { drop: 0.05, window: 256 };

/** @throws MoloraError `bad_arguments` */
export function agreementSettings({ drop = DEFAULTS.drop, window = DEFAULTS.window }: Partial<AgreementSettings>) {
  if (!(drop >= 0 && drop <= 1)) {
    throw new MoloraError("bad_arguments", `agreementDrop is ${drop}`, {
      remedy: "Give a share from 0 (nothing is watched) to 1.",
    });
  }
  if (!Number.isSafeInteger(window) || window < 1) {
    throw new MoloraError("bad_arguments", `agreementWindow is ${window}`, { remedy: "Give a number of tokens." });
  }
  return { drop, window };
}

interface GroupName {
  id: string;
  kind: AgreementReport["kind"];
  name: string;
  /** Names of a stack's adapters. */
  adapters: string[];
}

/** A mixture or recipe by its name, a stack by those of its adapters. */
export function groupName({ generations }: Accepted): GroupName {
  const mixture = generations.find(({ kind }) => kind === "mixture");
  const adapters = generations.flatMap(({ kind, name }) => (kind === "adapter" ? [name] : []));
  if (mixture !== undefined) return { id: `mixture ${mixture.name}`, kind: "mixture", name: mixture.name, adapters };
  const name = adapters.join("+");
  return { id: `stack ${name}`, kind: "stack", name, adapters };
}

/** A running mean by layer, over the last `window` tokens or so. */
class Window {
  readonly version: string;
  readonly generations: readonly Generation[];
  readonly means: Float64Array;
  readonly #counts: Uint32Array;
  tokens = 0;

  constructor(version: string, generations: readonly Generation[], layers: number) {
    this.version = version;
    this.generations = generations;
    this.means = new Float64Array(layers).fill(Number.NaN);
    this.#counts = new Uint32Array(layers);
  }

  add(layers: Float64Array, window: number): void {
    this.tokens++;
    for (let layer = 0; layer < layers.length; layer++) {
      const value = layers[layer];
      if (Number.isNaN(value)) continue;
      // The mean of all tokens at first, an exponential one of that length later.
      const share = Math.max(1 / ++this.#counts[layer], 2 / (window + 1));
      this.means[layer] = this.#counts[layer] === 1 ? value : this.means[layer] + share * (value - this.means[layer]);
    }
  }
}

export class Group {
  readonly #named: GroupName;
  readonly #layers: number;
  #now: Window | undefined;
  /** Under the generations before. */
  #before: Window | undefined;

  constructor(named: GroupName, layers: number) {
    this.#named = named;
    this.#layers = layers;
  }

  /** One token's agreement by layer. Gives an alert with the token that makes the drop certain, once for each change. */
  add(
    layers: Float64Array,
    version: string,
    generations: readonly Generation[],
    { drop, window }: AgreementSettings,
  ): AgreementAlert | undefined {
    if (this.#now?.version !== version) {
      if (this.#before?.version === version) return undefined; // a request that began before the change
      // What too few tokens tell is nothing to compare with.
      if (this.#now !== undefined && this.#now.tokens >= window) this.#before = this.#now;
      this.#now = new Window(version, generations, this.#layers);
    }
    this.#now.add(layers, window);
    if (this.#now.tokens !== window || this.#before === undefined) return undefined;
    return this.#compare(this.#before, this.#now, drop);
  }

  report(): AgreementReport | undefined {
    if (this.#now === undefined) return undefined;
    const { kind, name, adapters } = this.#named;
    const { means, tokens } = this.#now;
    // Nothing contradicts anything where no two act.
    const layers = Array.from(means, (mean) => (Number.isNaN(mean) ? 1 : mean));
    return { kind, name, adapters, agreement: average(means) ?? 1, layers, tokens };
  }

  #compare(before: Window, now: Window, drop: number): AgreementAlert | undefined {
    const [was, is] = [average(before.means), average(now.means)];
    if (was === undefined || is === undefined || was - is <= drop) return undefined;
    const falls = Array.from(now.means, (mean, layer) => before.means[layer] - mean);
    const worst = falls.reduce((best, fall, layer) => (fall > (falls[best] || 0) ? layer : best), 0);
    const known = new Set(before.generations.map(({ hash }) => hash));
    const { kind, name, adapters } = this.#named;
    return {
      time: Date.now(),
      kind,
      name,
      adapters,
      before: was,
      now: is,
      layer: { index: worst, before: before.means[worst], now: now.means[worst] },
      generations: now.generations.filter(({ hash }) => !known.has(hash)),
    };
  }
}

/** Over the layers in which two act; undefined where there is none. */
function average(means: Float64Array): number | undefined {
  const known = means.filter((mean) => !Number.isNaN(mean));
  return known.length === 0 ? undefined : known.reduce((sum, mean) => sum + mean, 0) / known.length;
}
