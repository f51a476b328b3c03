// Every adapter and mixture that has a name, in memory or not, and where it can be read again.
// The registry holds those in host memory; what gives way there stays in here.

import type { AdapterReport, MixtureReport } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";

interface Entry {
  /** Where it is read again; undefined: it came as bytes, and stays in memory. */
  path: string | undefined;
  /** By a source, on somebody's request: read again it may be another generation. Else it must be the same. */
  found: boolean;
  /** Stays in host memory. */
  pinned: boolean;
}

export interface AdapterEntry extends Entry {
  kind: "adapter";
  report: AdapterReport;
}

export interface MixtureEntry extends Entry {
  kind: "mixture";
  report: MixtureReport;
}

export type CatalogueEntry = AdapterEntry | MixtureEntry;

export class Catalogue {
  readonly #entries = new Map<string, CatalogueEntry>();

  get(name: string): CatalogueEntry | undefined {
    return this.#entries.get(name);
  }

  set(entry: CatalogueEntry): void {
    this.#entries.set(entry.report.name, entry);
  }

  delete(name: string): void {
    this.#entries.delete(name);
  }

  list(): CatalogueEntry[] {
    return [...this.#entries.values()];
  }

  /** @throws MoloraError `bad_request` where the name stands for something of the other kind. */
  checkKind(name: string, kind: CatalogueEntry["kind"]): void {
    const taken = this.get(name);
    if (taken === undefined || taken.kind === kind) return;
    throw new MoloraError("bad_request", `"${name}" already names a loaded ${taken.kind}`, {
      remedy: `Load the ${kind} under another name, or unload the ${taken.kind} first.`,
    });
  }

  /**
   * Compare and swap: `expected` is the hash that the name must stand for, null for none.
   *
   * @throws MoloraError `generation_mismatch`
   */
  checkGeneration(name: string, expected: string | null | undefined): void {
    if (expected === undefined) return;
    const found = this.get(name)?.report.hash ?? null;
    if (found === expected) return;
    const stands = found === null ? "nothing" : `generation ${found.slice(0, 12)}…`;
    throw new MoloraError("generation_mismatch", `"${name}" stands for ${stands}, not for what was expected`, {
      remedy: "Somebody else loaded it: read its generation again, and decide anew.",
      details: { name, expected, found },
    });
  }
}
