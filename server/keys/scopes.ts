// What a key may do, as words: "base", "adapter:NAME", "mixture:NAME", "admin"; and, of a server with several profiles, in which
// of them: "profile:NAME", without one in all. A name that ends in * stands for all that begin so.

import type { Routing } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";

/** The base and everything loaded, and no loading. */
export const EVERYTHING = ["base", "adapter:*", "mixture:*"] as const;

const SCOPE = /^(?:base|admin|(?:adapter|mixture|profile):[\w.:/|@=+-]*\*?)$/;

/** @throws MoloraError `bad_arguments` */
export function checkScope(scope: string): void {
  if (SCOPE.test(scope) && !scope.endsWith(":")) return;
  throw new MoloraError("bad_arguments", `there is no scope ${JSON.stringify(scope)}`, {
    remedy: "Scopes are base, adapter:NAME, mixture:NAME, profile:NAME and admin; a NAME may end in *.",
    details: { scope },
  });
}

export class Scopes {
  readonly #words: ReadonlySet<string>;
  readonly #beginnings: readonly string[];

  constructor(scopes: readonly string[]) {
    this.#words = new Set(scopes);
    this.#beginnings = scopes.filter((scope) => scope.endsWith("*")).map((scope) => scope.slice(0, -1));
  }

  get admin(): boolean {
    return this.#words.has("admin");
  }

  /** "adapter:sql". */
  has(what: string): boolean {
    return this.#words.has(what) || this.#beginnings.some((beginning) => what.startsWith(beginning));
  }

  hasProfile(name: string): boolean {
    const named = [...this.#words].some((word) => word.startsWith("profile:"));
    return !named || this.has(`profile:${name}`);
  }

  /** What of a request's routing lies outside; undefined where all of it is allowed. */
  missing({ adapter, adapters, mixture }: Routing): string | undefined {
    const wanted = [
      ...(adapter === undefined ? [] : [`adapter:${adapter}`]),
      ...(adapters ?? []).map(({ id }) => `adapter:${id}`),
      ...(mixture === undefined ? [] : [`mixture:${mixture}`]),
    ];
    return (wanted.length === 0 ? ["base"] : wanted).find((what) => !this.has(what));
  }
}
