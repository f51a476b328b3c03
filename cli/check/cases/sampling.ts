// Sampling: greedy, every truncation, penalties, masks, log-probabilities and given tokens, in one launch a vocabulary.

import { chooseRows } from "../../../shaders/sampling/choose_rows.ts";
import { IN_PROMPT, NO_MASK, RESULT_WORDS, SAMPLE, sample } from "../../../shaders/sampling/sample.ts";
import { LOGIT_ROW } from "../../../shaders/step.ts";
import { wordBuffer } from "../../../shaders/struct.ts";
import type { Compared, KernelCase } from "../case.ts";
import { compute, stepShape } from "../compute.ts";
import { randomFloats } from "../random.ts";
import { gumbelDraw } from "../reference/gumbel_draw.ts";
import { penalise, type Seen } from "../reference/penalties.ts";
import { ranked, sampleFilters } from "../reference/sample_filters.ts";
import { logSoftmax, softmax } from "../reference/softmax.ts";

/** Of test models, SmolLM2's, no multiple of 32 nor of 4, fewer than threads. */
const VOCABS = [320, 4096, 49152, 1027, 33];
/** A draw that is won by less than this in the Gumbel noise may go either way. */
const CLOSE = 1e-3;
const ALTERNATIVES = 5;

/** What a row asks for; left out: greedy, nothing truncated, no penalty. */
interface Rule {
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repetition?: number;
  presence?: number;
  frequency?: number;
  /** Score a token instead of picking one. */
  given?: true;
  /** Only two thirds of the ids may be picked. */
  masked?: true;
  /** A seventh of the row's ids, the last ones, do not count. */
  short?: true;
}

const RULES: Rule[] = [
  {},
  { masked: true },
  { given: true },
  { repetition: 1.5, presence: 3, frequency: 4 },
  { temperature: 1 },
  { temperature: 0.3 },
  { temperature: 7, masked: true },
  { temperature: 1, short: true },
  { temperature: 1, topK: 1 },
  { temperature: 1, topK: 40 },
  { temperature: 1, topP: 0.9 },
  { temperature: 1, topP: 0.2, masked: true },
  { temperature: 1, minP: 0.1 },
  { temperature: 1.3, topK: 50, topP: 0.8, minP: 0.02 },
  { temperature: 1, repetition: 1.3, presence: 0.5, frequency: 0.2 },
];

export function samplingCases(): KernelCase[] {
  return [...VOCABS.map(chooseRowsCase), ...sampleCases()];
}

/** Every third row is another head's. */
function chooseRowsCase(vocab: number): KernelCase {
  return {
    kernel: "choose_rows",
    name: `rows of ${vocab} tokens`,
    async run(device) {
      const taken = Uint32Array.from({ length: 7 }, (_, r) => (r % 3 === 1 ? 1 : 0));
      const [logits, others] = [randomFloats(taken.length * vocab, 1), randomFloats(taken.length * vocab, 2)];
      const expected = logits.map((value, i) => (taken[Math.floor(i / vocab)] ? others[i] : value));
      const shape = stepShape({ rows: taken.length });
      const found = await compute(device, chooseRows, { vocab }, shape, { taken, others, logits });
      return [{ actual: found.logits, expected, tolerance: 1e-9 }];
    },
  };
}

function sampleCases(): KernelCase[] {
  return VOCABS.map((vocab) => ({
    kernel: "sample",
    name: `${RULES.length} rules over ${vocab} tokens`,
    run: async (device) => {
      const rows = RULES.map((rule, r) => new Row(vocab, rule, r));
      const target = wordBuffer(rows.length * LOGIT_ROW.bytes);
      const logits = new Float32Array(rows.length * vocab);
      const counts = new Uint32Array(rows.length * vocab);
      const masks = new Uint32Array(rows.length * Math.ceil(vocab / 32));
      for (const row of rows) row.write({ target, logits, counts, masks });
      const arrays = {
        rows: target.words,
        logits,
        counts,
        masks,
        sampled: new Uint32Array(rows.length),
        results: new Float32Array(rows.length * RESULT_WORDS),
      };
      const shape = stepShape({ tokens: rows.length, sequences: rows.length, rows: rows.length });
      const { results } = await compute(device, sample, { vocab }, shape, arrays);
      return rows.flatMap((row) => row.compare(results));
    },
  }));
}

interface Arrays {
  target: ReturnType<typeof wordBuffer>;
  logits: Float32Array;
  counts: Uint32Array;
  masks: Uint32Array;
}

class Row {
  readonly #vocab: number;
  readonly #rule: Rule;
  /** Its index, its seed and its slot. */
  readonly #r: number;
  readonly #logits: Float32Array;
  /** Ids, likeliest first. */
  readonly #order: readonly number[];
  readonly #seen = new Map<number, Seen>();

  constructor(vocab: number, rule: Rule, r: number) {
    this.#vocab = vocab;
    this.#rule = rule;
    this.#r = r;
    this.#logits = logitsOf(vocab, r).subarray(0, this.#ids);
    this.#order = ranked(Float64Array.from(this.#logits));
    if (rule.repetition === undefined) return;
    for (const [j, id] of this.#order.slice(0, 6).entries())
      this.#seen.set(id, { inPrompt: j % 2 === 0, times: j % 3 });
  }

  write({ target, logits, counts, masks }: Arrays): void {
    const [r, rule] = [this.#r, this.#rule];
    logits.set(logitsOf(this.#vocab, r), r * this.#vocab);
    for (const [id, { inPrompt, times }] of this.#seen) {
      counts[r * this.#vocab + id] = (times | (inPrompt ? IN_PROMPT : 0)) >>> 0;
    }
    const words = Math.ceil(this.#vocab / 32);
    for (const id of this.#order) if (this.#allows(id)) masks[r * words + (id >>> 5)] |= 1 << (id & 31);
    LOGIT_ROW.write(target, r * LOGIT_ROW.words, {
      slot: r,
      given: rule.given ? this.#given : SAMPLE,
      position: 7 * r,
      temperature: rule.temperature ?? 0,
      top_k: rule.topK ?? 0,
      top_p: rule.topP ?? 1,
      min_p: rule.minP ?? 0,
      ...this.#penalties,
      seed: 1000 + r,
      report: 1 + ALTERNATIVES,
      mask: rule.masked ? r : NO_MASK,
      counted: this.#seen.size > 0 ? 1 : 0,
      ids: this.#rule.short ? this.#ids : 0,
    });
  }

  /** The token, its log-probability in the raw logits, and the likeliest. */
  compare(results: Float32Array<ArrayBuffer>): Compared[] {
    const at = this.#r * RESULT_WORDS;
    const words = new Uint32Array(results.buffer, results.byteOffset, results.length);
    const pairs = Array.from({ length: 1 + ALTERNATIVES }, (_, i) => at + 2 * i);
    const id = words[at];
    const ids = [this.#expected(id), ...this.#order.slice(0, ALTERNATIVES)];
    const logs = logSoftmax(this.#logits);
    return [
      { actual: pairs.map((i) => words[i]), expected: ids, tolerance: 1e-9 },
      {
        actual: pairs.map((i) => results[i + 1]),
        expected: [logs[id] ?? Number.NaN, ...this.#order.slice(0, ALTERNATIVES).map((other) => logs[other])],
        tolerance: 2e-5,
        scale: ids.map(() => 1),
      },
    ];
  }

  /** `found`: taken as right where the draw is too close to tell. */
  #expected(found: number): number {
    const { given, temperature, topK = 0, topP = 1, minP = 0 } = this.#rule;
    if (given) return this.#given;
    const penalised = penalise(this.#logits, this.#seen, this.#penalties);
    const allowed = penalised.map((logit, id) => (this.#allows(id) ? logit : Number.NEGATIVE_INFINITY));
    if (temperature === undefined) return ranked(allowed)[0];
    const p = sampleFilters(softmax(allowed.map((logit) => logit / temperature)), { topK, topP, minP });
    const { id, margin } = gumbelDraw(p, 1000 + this.#r, 7 * this.#r);
    return margin < CLOSE && p[found] > 0 ? found : id;
  }

  get #ids(): number {
    return this.#rule.short ? this.#vocab - Math.floor(this.#vocab / 7) : this.#vocab;
  }

  get #given(): number {
    return (this.#vocab * 3) >> 2;
  }

  get #penalties() {
    const { repetition = 1, presence = 0, frequency = 0 } = this.#rule;
    return { repetition, presence, frequency };
  }

  #allows(id: number): boolean {
    return !this.#rule.masked || id % 3 !== this.#r % 3;
  }
}

/** Logits like a language model's: a broad bulk and a few that stand out. */
function logitsOf(vocab: number, seed: number): Float32Array<ArrayBuffer> {
  const [a, b] = [randomFloats(vocab, seed), randomFloats(vocab, seed + 1)];
  return a.map((value, i) => 3 * (value + b[i]) + (i % 97 === seed % 97 ? 6 * b[(i * 7) % vocab] : 0));
}
