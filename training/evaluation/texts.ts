// Chooses the texts that a mixture is judged on: mixed ones, and those of a single domain.

import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import { Composer, cutRow } from "../data/compose.ts";
import { labelsOf, UNLABELLED } from "../data/labels.ts";
import { type RenderedRow, renderRow } from "../data/render.ts";
import { domainsOf, type Sources } from "../data/sources.ts";

export interface EvaluatedText {
  /** Name of the set it belongs to: "mixed", "mixed with base", or its domain. */
  set: string;
  ids: number[];
  /** [t]: whether ids[t] belongs to a completion. */
  completion: boolean[];
  /** [t]: index of the expert of its domain, UNLABELLED where there is none. */
  labels: number[];
  /** [t]: UTF-8 bytes it spells; 0 for special tokens. */
  bytes: number[];
}

export interface TextOptions {
  /** Experts by name, "base" among them where it is one. */
  experts: readonly string[];
  /** Most tokens of a text; longer ones are cut. */
  length: number;
  /** Fewest and most items of a mixed text. */
  mix: readonly [least: number, most: number];
  /** Mixed texts composed; of each single domain a quarter as many. */
  texts: number;
  seed: number;
}

export const MIXED = "mixed";
export const MIXED_WITH_BASE = "mixed with base";
const BASE = "base";
/** Texts with fewer tokens are left out: their losses would say nothing. */
const SHORTEST = 8;

/**
 * Where rows are mixed already, all of them are taken and none are composed. Otherwise mixed texts are composed of the
 * domains that have an adapter, and once more with base among them where the data has texts of it.
 */
export function evaluatedTexts(tokenizer: Tokenizer, sources: Sources, options: TextOptions): EvaluatedText[] {
  const { experts, length, mix, texts, seed } = options;
  const row = (set: string, rendered: RenderedRow) => toText(tokenizer, set, rendered, experts);
  const composed = (set: string, domains: readonly string[], count: number, items: TextOptions["mix"]) => {
    const byDomain = new Map([...sources.byDomain].filter(([domain]) => domains.includes(domain)));
    const composer = new Composer(tokenizer, { byDomain, whole: [] }, { length, mix: items, seed });
    return Array.from({ length: count }, (_, n) => row(set, composer.text(n)));
  };
  const domains = [...sources.byDomain.keys()].filter((domain) => experts.includes(domain));
  const adapted = domains.filter((domain) => domain !== BASE);
  const given = sources.whole
    .filter((whole) => domainsOf(whole).size > 1)
    .map((whole) => row(MIXED, cutRow(renderRow(tokenizer, whole), 0, length)));
  const mixed = given.length > 0 || adapted.length < 2 ? given : composed(MIXED, adapted, texts, mix);
  const withBase = domains.includes(BASE) && adapted.length > 0 ? composed(MIXED_WITH_BASE, domains, texts, mix) : [];
  const single = domains.flatMap((domain) => composed(domain, [domain], Math.ceil(texts / 4), [1, mix[1]]));
  return [...mixed, ...withBase, ...single].filter(({ ids }) => ids.length >= SHORTEST);
}

function toText(tokenizer: Tokenizer, set: string, row: RenderedRow, experts: readonly string[]): EvaluatedText {
  return {
    set,
    ids: row.ids,
    completion: row.counted,
    labels: labelsOf(row, experts),
    bytes: row.ids.map((id) => (tokenizer.specialIds.has(id) ? 0 : tokenizer.idBytes(id).length)),
  };
}

/** Tokens since the label last changed, 0 at the change; undefined before the first change and where there is no label. */
export function sinceSwitch({ labels }: EvaluatedText): (number | undefined)[] {
  let since: number | undefined;
  return labels.map((label, t) => {
    if (t > 0 && label !== labels[t - 1] && label !== UNLABELLED) since = 0;
    else if (since !== undefined) since++;
    return label === UNLABELLED ? undefined : since;
  });
}
