// What becomes of fields a body has and molora does not: other servers' are left alone and listed, misspelt ones refused.

import type { Fields } from "../../files/fields.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { HttpReply } from "./router.ts";

/** The response header that lists what was left alone. */
export const IGNORED_HEADER = "x-molora-ignored";

/** Fields of other servers that are one letter from one of molora's, and no slip. */
const FOREIGN = ["models", "top_a"];

/** Most names listed, and most characters of each: a header has to stay one. */
const MOST_LISTED = 64;
const LONGEST_LISTED = 64;

export class UnknownFields {
  readonly #strict: boolean;
  readonly #ignored = new Set<string>();

  /** `strict`: what would be left alone is refused. */
  constructor(strict = false) {
    this.#strict = strict;
  }

  /**
   * Fields of `body` that are not among `known` are noted, under `at` ("stream_options"). Null counts as absent.
   * @throws MoloraError `bad_request` for a name within one edit of a known one and, where strict, for any.
   */
  check(body: Fields, known: readonly string[], at = ""): void {
    for (const name of body.names()) {
      if (known.includes(name) || !body.has(name)) continue;
      const meant = FOREIGN.includes(name) ? undefined : meantBy(name, known);
      if (meant !== undefined) throw refusal(body, name, `Did you mean "${meant}"?`);
      this.ignore(body, name, at);
    }
  }

  /** Field `name` is known and changes nothing here. @throws MoloraError `bad_request` where strict. */
  ignore(body: Fields, name: string, at = ""): void {
    if (this.#strict) throw refusal(body, name, "Leave it out: this server refuses what it would not honour.");
    this.#ignored.add(at === "" ? name : `${at}.${name}`);
  }

  /** The header's value; undefined where nothing was left alone. */
  get header(): string | undefined {
    if (this.#ignored.size === 0) return undefined;
    const names = [...this.#ignored].slice(0, MOST_LISTED);
    return names.map((name) => name.replace(/[^\w.[\]-]/gu, "?").slice(0, LONGEST_LISTED)).join(", ");
  }
}

/** Lists in a header what was left alone. */
export function tellIgnored(reply: HttpReply, { header }: UnknownFields): void {
  if (header !== undefined) reply.header(IGNORED_HEADER, header);
}

function refusal(body: Fields, name: string, remedy: string): MoloraError {
  const shown = name.length > 64 ? `${name.slice(0, 63)}…` : name;
  return new MoloraError("bad_request", `${body.where}: unknown field ${JSON.stringify(shown)}`, {
    remedy,
    details: { unknown: [shown] },
  });
}

function meantBy(name: string, known: readonly string[]): string | undefined {
  const alike = known.find((candidate) => bare(candidate) === bare(name));
  return alike ?? known.find((candidate) => isSlip(bare(name), bare(candidate)));
}

/** One letter more, less, another, or two swapped. */
function isSlip(a: string, b: string): boolean {
  // Too short for a slip to say what was meant.
  if (Math.min(a.length, b.length) < 4 || Math.abs(a.length - b.length) > 1) return false;
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  const [restA, restB] = [a.slice(same), b.slice(same)];
  if (restA.slice(1) === restB || restA === restB.slice(1) || restA.slice(1) === restB.slice(1)) return true;
  return restA[0] === restB[1] && restA[1] === restB[0] && restA.slice(2) === restB.slice(2);
}

/** Capitals and separators are no difference. */
function bare(name: string): string {
  return name.toLowerCase().replace(/[_-]/g, "");
}
