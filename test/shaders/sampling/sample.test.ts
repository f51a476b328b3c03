// The sample kernel against float64: greedy, distributions, truncation, penalties, masks, log-probabilities, scoring.

import assert from "node:assert/strict";
import { gumbelDraw } from "../../../cli/check/reference/gumbel_draw.ts";
import { penalise, type Seen } from "../../../cli/check/reference/penalties.ts";
import { ranked, sampleFilters } from "../../../cli/check/reference/sample_filters.ts";
import { logSoftmax, softmax } from "../../../cli/check/reference/softmax.ts";
import { OVERFLOW } from "../../../shaders/sampling/sample.ts";
import { onEachDevice, randomFloats } from "../device.ts";
import { type CaseRow, sampleRows } from "../sample_case.ts";

/** Sizes: of test models, SmolLM2's, not a multiple of 32 nor of 4, fewer than threads. */
const VOCABS = [320, 4096, 49152, 1027, 33];

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

for (const vocab of VOCABS) {
  onEachDevice(`${vocab} tokens: greedy, ties to the lowest id`, async (device) => {
    const tied = logitsOf(vocab, 5);
    const best = Math.max(...tied);
    const ties = [vocab - 1, Math.floor(vocab / 2), Math.floor(vocab / 3)];
    for (const id of ties) tied[id] = best + 1;
    const rows = [
      logitsOf(vocab, 1),
      logitsOf(vocab, 2),
      tied,
      new Float32Array(vocab),
      new Float32Array(vocab).fill(-1e4),
    ];
    const results = await sampleRows(
      device,
      vocab,
      rows.map((logits) => ({ logits })),
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

  onEachDevice(
    `${vocab} tokens: log-probabilities and the likeliest, ties to the lower id, picked and given`,
    async (device) => {
      const tied = logitsOf(vocab, 4).map((value) => Math.round(value / 2));
      const rows: CaseRow[] = [];
      for (const logits of [logitsOf(vocab, 3), tied]) {
        for (const alternatives of [0, 1, 5, Math.min(20, vocab)]) {
          rows.push({ logits, alternatives }, { logits, alternatives, given: (vocab * 3) >> 2 });
          rows.push({ logits, alternatives, temperature: 0.7, seed: 3 });
        }
      }
      const results = await sampleRows(device, vocab, rows);
      for (const [r, { id, logprob, top, sampled }] of results.entries()) {
        const { logits, given, temperature, alternatives } = rows[r];
        const logs = logSoftmax(logits);
        const order = ranked(Float64Array.from(logits));
        if (given !== undefined) assert.equal(id, given);
        else if (temperature === undefined) assert.equal(id, order[0]);
        assert.equal(sampled, given === undefined ? id : undefined);
        assert.ok(Math.abs(logprob - logs[id]) < 2e-5, `${logprob}, expected ${logs[id]}`);
        assert.deepEqual(
          top.map(({ id }) => id),
          order.slice(0, alternatives),
        );
        for (const { id, logprob } of top) assert.ok(Math.abs(logprob - logs[id]) < 2e-5);
      }
    },
  );
}

for (const vocab of [4096, 1027, 33]) {
  onEachDevice(
    `${vocab} tokens: a NaN or an infinity anywhere in a row spoils that row and no other`,
    async (device) => {
      const sound: CaseRow = { logits: logitsOf(vocab, 8), alternatives: 2 };
      const spoiled: CaseRow[] = [];
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        for (const at of [0, vocab >> 1, vocab - 1]) {
          const logits = logitsOf(vocab, 9);
          logits[at] = value;
          spoiled.push({ logits }, { logits, alternatives: 3 }, { logits, temperature: 0.8, topP: 0.9, topK: 7 });
          spoiled.push({ logits, alternatives: 0, given: 3 });
          spoiled.push({ logits, seen: new Map([[1, { inPrompt: true, times: 2 }]]), repetition: 1.2, temperature: 1 });
        }
      }
      spoiled.push({ logits: new Float32Array(vocab).fill(Number.NaN), temperature: 0.5 });
      const rows = spoiled.flatMap((row) => [row, sound]);
      const results = await sampleRows(device, vocab, rows);
      const [best] = ranked(Float64Array.from(sound.logits));
      for (const [r, { id, sampled, counts }] of results.entries()) {
        if (rows[r] === sound) {
          assert.deepEqual([id, sampled], [best, best]);
          continue;
        }
        assert.equal(id, OVERFLOW, `row ${r}`);
        assert.equal(sampled, rows[r].given === undefined ? 0 : undefined, "whoever runs ahead reads a real token");
        assert.deepEqual(
          [...counts].filter((count) => count !== 0).length,
          rows[r].seen === undefined ? 0 : 1,
          "nothing is counted",
        );
      }
    },
  );

  onEachDevice(`${vocab} tokens: the coldest temperatures pick the best`, async (device) => {
    const rows = [1e-45, 1e-38, 1e-30, 1e-7].map(
      (temperature, i): CaseRow => ({ logits: logitsOf(vocab, i), temperature }),
    );
    const results = await sampleRows(device, vocab, rows);
    assert.deepEqual(
      results.map(({ id }) => id),
      rows.map(({ logits }) => ranked(Float64Array.from(logits))[0]),
    );
  });
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

for (const vocab of VOCABS) {
  onEachDevice(`${vocab} tokens: draws are those of the reference for every rule`, async (device) => {
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
    const results = await sampleRows(device, vocab, rows);
    let close = 0;
    for (const [r, row] of rows.entries()) {
      const p = filtered(row);
      const { id, margin } = gumbelDraw(p, row.seed ?? 0, row.position ?? 0);
      assert.ok(p[results[r].id] > 0, `row ${r}: ${JSON.stringify(RULES[Math.floor(r / draws)])} drew a dropped token`);
      if (margin < 1e-4) close++;
      else assert.equal(results[r].id, id, `row ${r}: ${JSON.stringify(RULES[Math.floor(r / draws)])}`);
    }
    assert.ok(close <= 2, `${close} draws too close to tell`);
  });
}

/** Upper 1e-6 quantile of chi-square, by Wilson and Hilferty's approximation. */
function chiSquareBound(freedom: number): number {
  const spread = 2 / (9 * freedom);
  return freedom * (1 - spread + 4.75 * Math.sqrt(spread)) ** 3;
}

for (const [what, vary] of [
  ["seeds", (n: number) => ({ seed: n, position: 5 })],
  ["positions", (n: number) => ({ seed: 5, position: n })],
] as const) {
  for (const rule of [{}, { temperature: 0.7, topK: 9 }, { temperature: 1.5, topP: 0.8 }, { minP: 0.05 }]) {
    onEachDevice(`over ${what}, draws follow the distribution: ${JSON.stringify(rule)}`, async (device) => {
      const vocab = 33;
      const logits = logitsOf(vocab, 8).map((value) => value / 2);
      const rows = Array.from({ length: 4000 }, (_, n): CaseRow => ({ temperature: 1, ...rule, logits, ...vary(n) }));
      const counts = new Float64Array(vocab);
      for (const { id } of await sampleRows(device, vocab, rows)) counts[id]++;
      const p = filtered(rows[0]);
      let chi = 0;
      let cells = 0;
      let rare = { expected: 0, seen: 0 };
      for (const [id, share] of p.entries()) {
        const expected = share * rows.length;
        if (expected === 0) assert.equal(counts[id], 0);
        else if (expected < 8) rare = { expected: rare.expected + expected, seen: rare.seen + counts[id] };
        else {
          chi += (counts[id] - expected) ** 2 / expected;
          cells++;
        }
      }
      if (rare.expected > 0) {
        chi += (rare.seen - rare.expected) ** 2 / rare.expected;
        cells++;
      }
      assert.ok(cells > 3);
      assert.ok(chi < chiSquareBound(cells - 1), `chi-square ${chi} over ${cells} cells`);
    });
  }
}

onEachDevice("a draw depends on seed, position and logits alone, wherever its row stands", async (device) => {
  const row: CaseRow = { logits: logitsOf(4096, 1), temperature: 1.2, topP: 0.95, seed: 77, position: 9 };
  const others = [2, 3, 4].map((seed): CaseRow => ({ logits: logitsOf(4096, seed), temperature: 1, topK: 5, seed }));
  const [alone] = await sampleRows(device, 4096, [row]);
  const [, , among] = await sampleRows(device, 4096, [others[0], others[1], row, others[2]]);
  assert.equal(among.id, alone.id);
  const many = await sampleRows(
    device,
    4096,
    Array.from({ length: 50 }, (_, seed) => ({ ...row, seed })),
  );
  assert.ok(new Set(many.map(({ id }) => id)).size > 10);
});

onEachDevice("equal logits are kept or dropped together, and are drawn alike", async (device) => {
  const logits = new Float32Array(1027).fill(2);
  logits.fill(1, 600);
  logits[1000] = 2.5;
  const draw = (rule: Partial<CaseRow>) =>
    sampleRows(
      device,
      1027,
      Array.from({ length: 400 }, (_, seed) => ({ logits, temperature: 1, ...rule, seed })),
    );
  const kept = (rows: { id: number }[]) => Math.min(...rows.map(({ id }) => logits[id]));
  assert.equal(kept(await draw({ topK: 1 })), 2.5);
  const two = await draw({ topK: 2 });
  assert.equal(kept(two), 2);
  assert.ok(new Set(two.map(({ id }) => id)).size > 200);
  assert.equal(kept(await draw({ topP: 0.5 })), 2);
  assert.equal(kept(await draw({ topK: 700 })), 1);
});

onEachDevice("logits of any size: thresholds are found far below the top, and close to it", async (device) => {
  for (const scale of [1e-20, 1e-4, 300, 1e20]) {
    const logits = logitsOf(1027, 3).map((value) => value * scale);
    const order = ranked(Float64Array.from(logits));
    const rows = Array.from(
      { length: 40 },
      (_, seed): CaseRow => ({ logits, temperature: 1e6 * scale, topK: 5, seed }),
    );
    const drawn = new Set((await sampleRows(device, 1027, rows)).map(({ id }) => id));
    assert.deepEqual([...drawn].sort(), order.slice(0, 5).sort(), `scale ${scale}`);
  }
});

for (const vocab of [1027, 4096]) {
  onEachDevice(`${vocab} tokens: of a row that has fewer ids, nothing beyond them counts`, async (device) => {
    for (const ids of [vocab - 1, vocab - 4, 33, 2]) {
      const logits = logitsOf(vocab, ids);
      const own = logits.slice(0, ids);
      logits.fill(1000, ids).fill(Number.NaN, vocab - 1);
      const order = ranked(Float64Array.from(own));
      const given = ids - 1;
      const draws = Array.from({ length: 40 }, (_, seed) => ({ logits, ids, temperature: 1, topK: ids, seed }));
      const rows: CaseRow[] = [{ logits, ids, alternatives: 2 }, { logits, ids, given, alternatives: 1 }, ...draws];
      const [greedy, scored, ...drawn] = await sampleRows(device, vocab, rows);
      const logs = logSoftmax(own);
      assert.equal(greedy.id, order[0]);
      assert.deepEqual(
        greedy.top.map(({ id }) => id),
        order.slice(0, 2),
      );
      assert.ok(Math.abs(greedy.logprob - logs[order[0]]) < 2e-5);
      assert.ok(Math.abs(scored.logprob - logs[given]) < 2e-5);
      for (const [seed, { id }] of drawn.entries()) {
        const { id: expected, margin } = gumbelDraw(softmax(own), seed, 0);
        if (margin > 1e-4) assert.equal(id, expected);
      }
    }
  });
}

onEachDevice(
  "penalties count what is picked, masks hold for greedy too, log-probabilities are of the raw logits",
  async (device) => {
    const vocab = 1027;
    const logits = logitsOf(vocab, 6);
    const order = ranked(Float64Array.from(logits));
    const seen = new Map<number, Seen>([
      [order[0], { inPrompt: true, times: 0 }],
      [order[1], { inPrompt: false, times: 3 }],
      [order[2], { inPrompt: true, times: 2 }],
    ]);
    const rule = { repetition: 1.5, presence: 3, frequency: 4 };
    const rows: CaseRow[] = [
      { logits, seen, ...rule, alternatives: 2 },
      { logits, allowed: new Set(order.slice(4, 40)), alternatives: 2 },
      { logits, seen: new Map(), ...rule, given: order[0] },
    ];
    const [penalised, masked, given] = await sampleRows(device, vocab, rows);
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
  },
);

onEachDevice(
  "biases come before penalties, temperature and truncation; the mask holds over them; reports are of the raw logits",
  async (device) => {
    for (const vocab of [1027, 4096]) {
      const logits = logitsOf(vocab, 11);
      const order = ranked(Float64Array.from(logits));
      const logs = logSoftmax(logits);
      const last = order[vocab - 1];
      const ends = new Map([0, vocab - 1].map((id) => [id, 100]));
      const seen = new Map<number, Seen>([[last, { inPrompt: true, times: 0 }]]);
      // Divided by 100 after the bias, the forced token loses to the likeliest.
      const rule = { repetition: 1e4, presence: 0, frequency: 0 };
      const rows: CaseRow[] = [
        { logits, biases: new Map([[last, 100]]), alternatives: 2 },
        { logits, biases: new Map([[order[0], -100]]), alternatives: 0 },
        { logits, biases: new Map([[last, 100]]), temperature: 1, topK: 1, seed: 5 },
        { logits, biases: new Map([[last, 100]]), allowed: new Set([order[3], order[4]]) },
        { logits, biases: new Map([[last, 100]]), seen, ...rule },
        { logits, biases: ends },
        { logits },
      ];
      const [forced, forbidden, drawn, masked, penalised, edge, without] = await sampleRows(device, vocab, rows);
      assert.equal(forced.id, last);
      assert.ok(Math.abs(forced.logprob - logs[last]) < 2e-5, "without the bias");
      const top = forced.top.map(({ id }) => id);
      assert.deepEqual(top, order.slice(0, 2));
      assert.equal(forbidden.id, order[1]);
      assert.equal(drawn.id, last);
      assert.equal(masked.id, order[3]);
      const biased = Float32Array.from(logits, (value, id) => (id === last ? value + 100 : value));
      assert.equal(penalised.id, ranked(penalise(biased, seen, rule))[0]);
      assert.notEqual(penalised.id, last);
      assert.equal(edge.id, logits[0] >= logits[vocab - 1] ? 0 : vocab - 1);
      assert.equal(without.id, order[0]);
    }
  },
);
