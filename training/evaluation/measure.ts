// Computes means, intervals, bits per byte and gains from the losses of tokens.

import { bootstrap, pooledMean, type Share } from "./bootstrap.ts";
import type { Losses } from "./policies.ts";
import type { Gain, Measure, PolicyReport, SetMeasures, SetSizes } from "./report.ts";
import { type EvaluatedText, MIXED, MIXED_WITH_BASE } from "./texts.ts";

/** The losses of each policy; one that chooses with hindsight may have others for completions. */
export type Figures = { name: string; title: string; all: Losses; completions: Losses }[];

export function measurePolicies(texts: readonly EvaluatedText[], figures: Figures, seed: number): PolicyReport[] {
  const sets = [...new Set(texts.map(({ set }) => set))];
  const counted = (text: EvaluatedText) => text.completion;
  const everything = (text: EvaluatedText) => text.ids.map(() => true);
  return figures.map(({ name, title, all, completions }) => {
    const measures = sets.map((set): [string, SetMeasures] => [
      set,
      {
        all: measure(texts, set, all, everything, seed),
        completions: measure(texts, set, completions, counted, seed),
      },
    ]);
    const gains = [MIXED, MIXED_WITH_BASE]
      .filter((set) => sets.includes(set))
      .map((set): [string, Gain] => [
        set,
        {
          all: gain(texts, set, figures, "all", all, everything, seed),
          completions: gain(texts, set, figures, "completions", completions, counted, seed),
        },
      ]);
    return { name, title, sets: Object.fromEntries(measures), gain: Object.fromEntries(gains) };
  });
}

type Counts = (text: EvaluatedText) => readonly boolean[];

function measure(texts: readonly EvaluatedText[], set: string, losses: Losses, counts: Counts, seed: number): Measure {
  const shares = sharesOf(texts, set, losses, counts);
  const members = texts.filter((text) => text.set === set);
  const bytes = members.reduce((sum, text) => sum + bytesOf(text, counts(text)), 0);
  const nats = shares.reduce((sum, share) => sum + share.sum, 0);
  return {
    tokens: shares.reduce((sum, share) => sum + share.tokens, 0),
    loss: bootstrap(shares.length, (drawn) => pooledMean(shares, drawn), seed),
    bitsPerByte: bytes === 0 ? 0 : nats / Math.LN2 / bytes,
  };
}

function gain(
  texts: readonly EvaluatedText[],
  set: string,
  figures: Figures,
  which: "all" | "completions",
  losses: Losses,
  counts: Counts,
  seed: number,
) {
  const of = (name: string) => figures.find((figure) => figure.name === name)![which];
  const [own, from, to] = [losses, of("text-hindsight"), of("label")].map((list) =>
    sharesOf(texts, set, list, counts),
  ) as [Share[], Share[], Share[]];
  return bootstrap(
    own.length,
    (drawn) => {
      const start = pooledMean(from, drawn);
      const way = start - pooledMean(to, drawn);
      return way === 0 ? 0 : (start - pooledMean(own, drawn)) / way;
    },
    seed,
  );
}

/** One share for each text of the set that has tokens that count, over these. */
function sharesOf(texts: readonly EvaluatedText[], set: string, losses: Losses, counts: Counts): Share[] {
  return texts.flatMap((text, i) => {
    if (text.set !== set) return [];
    const counted = counts(text);
    const share: Share = { sum: 0, tokens: 0 };
    for (const [t, loss] of losses[i].entries()) {
      if (!counted[t + 1]) continue;
      share.sum += loss;
      share.tokens++;
    }
    return share.tokens === 0 ? [] : [share];
  });
}

function bytesOf(text: EvaluatedText, counted: readonly boolean[]): number {
  return text.bytes.reduce((sum, bytes, t) => sum + (t > 0 && counted[t] ? bytes : 0), 0);
}

export function setsOf(texts: readonly EvaluatedText[]): SetSizes {
  const sets: SetSizes = {};
  for (const { set, ids, completion } of texts) {
    sets[set] ??= { texts: 0, tokens: 0, completionTokens: 0 };
    sets[set].texts++;
    sets[set].tokens += ids.length - 1;
    sets[set].completionTokens += completion.filter(Boolean).length;
  }
  return sets;
}
