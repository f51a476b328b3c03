// The CPU's sample kernel against float64: greedy, draws under every rule, penalties, masks, log-probabilities, scoring.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RESULT_WORDS } from "../../../shaders/sample.ts";
import { gumbelDraw } from "../../reference/gumbelDraw.ts";
import { penalise, type Seen } from "../../reference/penalties.ts";
import { ranked, sampleFilters } from "../../reference/sampleFilters.ts";
import { logSoftmax, softmax } from "../../reference/softmax.ts";
import { randomFloats } from "../device.ts";
import { type CaseResult, type CaseRow, packRows, unpackResults } from "../sample_case.ts";
import { BUILDS, type Build, CpuKernels } from "./cpu_kernels.ts";

/** Of test models, SmolLM2's, not a multiple of 32 nor of 4, very few. */
const VOCABS = { kernels: [320, 49152, 1027, 33], kernels_plain: [1027] };

function sampleRows(build: Build, vocab: number, rows: readonly CaseRow[], parts = 1): CaseResult[] {
  const { logits, words, counts, masks } = packRows(vocab, rows);
  const kernels = new CpuKernels(build, 16 + Math.ceil((logits.byteLength * 2.2) / 2 ** 20));
  const after = kernels.output(counts.length, counts);
  const sampled = kernels.output(rows.length);
  const results = kernels.output(rows.length * RESULT_WORDS);
  const pointers = { rows: kernels.place(words), logits: kernels.place(logits), masks: kernels.place(masks) };
  const constants = { VOCAB: vocab, RESULT: RESULT_WORDS };
  kernels.run("sample", { ...pointers, ...constants, counts: after, sampled, results }, rows.length, parts);
  return unpackResults(vocab, rows, results.read(), sampled.readWords(), after.readWords());
}

/** Logits like a language model's: a broad bulk and a few that stand out. */
function logitsOf(vocab: number, seed: number): Float32Array<ArrayBuffer> {
  const [a, b] = [randomFloats(vocab, seed), randomFloats(vocab, seed + 1)];
  return a.map((value, i) => 3 * (value + b[i]) + (i % 97 === seed % 97 ? 6 * b[(i * 7) % vocab] : 0));
}

function filtered(row: CaseRow): Float64Array {
  const rule = { repetition: row.repetition ?? 1, presence: row.presence ?? 0, frequency: row.frequency ?? 0 };
  const penalised = penalise(row.logits, row.seen ?? new Map(), rule);
  const allowed = penalised.map((logit, id) => (row.allowed?.has(id) === false ? -Infinity : logit));
  const p = softmax(allowed.map((logit) => logit / (row.temperature ?? 1)));
  return sampleFilters(p, { topK: row.topK ?? 0, topP: row.topP ?? 1, minP: row.minP ?? 0 });
}

/** Truncation and shaping, alone and together. */
const RULES: Partial<CaseRow>[] = [
  {},
  { temperature: 0.3 },
  { temperature: 7 },
  { topK: 1 },
  { topK: 40 },
  { topK: 3000 },
  { topP: 0.9 },
  { topP: 0.2 },
  { topP: 0.999, temperature: 3 },
  { topP: 1e-6 },
  { minP: 0.1 },
  { minP: 1 },
  { topK: 50, topP: 0.8, minP: 0.02, temperature: 1.3 },
  { topP: 0.5, minP: 0.3 },
  { repetition: 1.3, presence: 0.5, frequency: 0.2 },
  { repetition: 0.8, presence: -1, topP: 0.9 },
];

for (const build of BUILDS) {
  for (const vocab of VOCABS[build]) {
    test(`${build}, ${vocab} tokens: greedy, ties to the lowest id`, () => {
      const tied = logitsOf(vocab, 5);
      const best = Math.max(...tied);
      const ties = [vocab - 1, Math.floor(vocab / 2), Math.floor(vocab / 3)];
      for (const id of ties) tied[id] = best + 1;
      const flat = new Float32Array(vocab);
      const rows = [logitsOf(vocab, 1), logitsOf(vocab, 2), tied, flat, new Float32Array(vocab).fill(-1e4)];
      const results = sampleRows(
        build,
        vocab,
        rows.map((logits) => ({ logits })),
        2,
      );
      const expected = rows.map((logits) => ranked(Float64Array.from(logits))[0]);
      assert.equal(expected[2], ties[2]);
      assert.deepEqual(
        results.map(({ id }) => id),
        expected,
      );
      assert.deepEqual(
        results.map(({ sampled }) => sampled),
        expected,
      );
    });

    test(`${build}, ${vocab} tokens: log-probabilities and the likeliest, ties to the lower id, picked and given`, () => {
      const tied = logitsOf(vocab, 4).map((value) => Math.round(value / 2));
      const rows: CaseRow[] = [];
      for (const logits of [logitsOf(vocab, 3), tied]) {
        for (const alternatives of [0, 1, 5, Math.min(20, vocab)]) {
          rows.push({ logits, alternatives }, { logits, alternatives, given: (vocab * 3) >> 2 });
          rows.push({ logits, alternatives, temperature: 0.7, seed: 3 });
        }
      }
      for (const [r, { id, logprob, top, sampled }] of sampleRows(build, vocab, rows).entries()) {
        const { logits, given, temperature, alternatives } = rows[r];
        const logs = logSoftmax(logits);
        const order = ranked(Float64Array.from(logits));
        if (given !== undefined) assert.equal(id, given);
        else if (temperature === undefined) assert.equal(id, order[0]);
        assert.equal(sampled, given === undefined ? id : undefined);
        assert.ok(Math.abs(logprob - logs[id]) < 2e-5, `${logprob}, expected ${logs[id]}`);
        assert.deepEqual(
          top.map((entry) => entry.id),
          order.slice(0, alternatives),
        );
        for (const entry of top) assert.ok(Math.abs(entry.logprob - logs[entry.id]) < 2e-5);
      }
    });

    test(`${build}, ${vocab} tokens: draws are those of the reference for every rule`, () => {
      const draws = vocab > 10_000 ? 2 : 12;
      const rows: CaseRow[] = RULES.flatMap((rule, i) =>
        Array.from({ length: draws }, (_, n): CaseRow => {
          const logits = logitsOf(vocab, 10 * i + n);
          const seen = new Map<number, Seen>();
          const order = ranked(Float64Array.from(logits));
          for (const [j, id] of order.slice(0, 6).entries()) seen.set(id, { inPrompt: j % 2 === 0, times: j % 3 });
          const allowed = new Set(order.filter((_, j) => j % 3 !== n % 3));
          return {
            temperature: 1,
            ...rule,
            logits,
            seed: 1000 * i + n,
            position: 7 * n,
            ...(rule.repetition === undefined ? {} : { seen }),
            ...(n % 2 === 1 ? { allowed } : {}),
          };
        }),
      );
      let close = 0;
      for (const [r, result] of sampleRows(build, vocab, rows, 3).entries()) {
        const row = rows[r];
        const rule = `row ${r}: ${JSON.stringify(RULES[Math.floor(r / draws)])}`;
        const p = filtered(row);
        const { id, margin } = gumbelDraw(p, row.seed ?? 0, row.position ?? 0);
        assert.ok(p[result.id] > 0, `${rule} drew a dropped token`);
        if (margin < 1e-4) close++;
        else assert.equal(result.id, id, rule);
      }
      assert.ok(close <= 2, `${close} draws too close to tell`);
    });
  }

  test(`${build}: a draw depends on seed, position and logits alone, wherever its row stands`, () => {
    const row: CaseRow = { logits: logitsOf(4096, 1), temperature: 1.2, topP: 0.95, seed: 77, position: 9 };
    const others = [2, 3, 4].map((seed): CaseRow => ({ logits: logitsOf(4096, seed), temperature: 1, topK: 5, seed }));
    const [alone] = sampleRows(build, 4096, [row]);
    const [, , among] = sampleRows(build, 4096, [others[0], others[1], row, others[2]]);
    assert.equal(among.id, alone.id);
    const seeds = Array.from({ length: 50 }, (_, seed) => ({ ...row, seed }));
    assert.ok(new Set(sampleRows(build, 4096, seeds).map(({ id }) => id)).size > 10);
  });

  test(`${build}: equal logits are kept or dropped together; thresholds are found far below the top, and close to it`, () => {
    const tied = new Float32Array(1027).fill(2);
    tied.fill(1, 600);
    tied[1000] = 2.5;
    const seeds = (count: number, row: CaseRow) => Array.from({ length: count }, (_, seed) => ({ ...row, seed }));
    const draw = (rule: Partial<CaseRow>) =>
      sampleRows(build, 1027, seeds(300, { logits: tied, temperature: 1, ...rule }));
    const kept = (rows: { id: number }[]) => Math.min(...rows.map(({ id }) => tied[id]));
    assert.equal(kept(draw({ topK: 1 })), 2.5);
    assert.equal(kept(draw({ topK: 2 })), 2);
    assert.ok(new Set(draw({ topK: 2 }).map(({ id }) => id)).size > 150);
    assert.equal(kept(draw({ topP: 0.5 })), 2);
    assert.equal(kept(draw({ topK: 700 })), 1);
    for (const scale of [1e-20, 1e-4, 300, 1e20]) {
      const logits = logitsOf(1027, 3).map((value) => value * scale);
      const rows = seeds(40, { logits, temperature: 1e6 * scale, topK: 5 });
      const drawn = new Set(sampleRows(build, 1027, rows).map(({ id }) => id));
      assert.deepEqual([...drawn].sort(), ranked(Float64Array.from(logits)).slice(0, 5).sort(), `scale ${scale}`);
    }
  });

  test(`${build}: penalties count what is picked, masks hold for greedy too, log-probabilities are of the raw logits`, () => {
    const vocab = 1027;
    const logits = logitsOf(vocab, 6);
    const order = ranked(Float64Array.from(logits));
    const seen = new Map<number, Seen>([
      [order[0], { inPrompt: true, times: 0 }],
      [order[1], { inPrompt: false, times: 3 }],
      [order[2], { inPrompt: true, times: 2 }],
    ]);
    const rule = { repetition: 1.5, presence: 3, frequency: 4 };
    const [penalised, masked, given] = sampleRows(build, vocab, [
      { logits, seen, ...rule, alternatives: 2 },
      { logits, allowed: new Set(order.slice(4, 40)), alternatives: 2 },
      { logits, seen: new Map(), ...rule, given: order[0] },
    ]);
    const logs = logSoftmax(logits);
    const expected = ranked(penalise(logits, seen, rule))[0];
    assert.notEqual(expected, order[0]);
    assert.equal(penalised.id, expected);
    assert.ok(Math.abs(penalised.logprob - logs[expected]) < 2e-5);
    assert.deepEqual(
      penalised.top.map(({ id }) => id),
      order.slice(0, 2),
    );
    const counts = Array.from({ length: vocab }, (_, id) => (seen.get(id)?.times ?? 0) + (id === expected ? 1 : 0));
    assert.deepEqual(
      [...penalised.counts].map((count) => count & 0x7fffffff),
      counts,
    );
    assert.equal(penalised.counts[order[0]] >>> 31, 1);
    assert.equal(masked.id, order[4]);
    assert.ok(Math.abs(masked.logprob - logs[order[4]]) < 2e-5);
    assert.ok(given.counts.every((count) => count === 0));
  });
}
