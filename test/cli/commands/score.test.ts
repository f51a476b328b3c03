// `molora score` against the losses PyTorch computed, and its answers to odd rows.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { ErrorMessage } from "../../../proto/api.ts";
import { json, molora } from "../run.ts";

interface Scored {
  rows: {
    use: string;
    row: number;
    domain?: string;
    tokens: number;
    nll: number;
    bytes: number;
    ids?: number[];
    logprobs?: number[];
    counted?: boolean[];
    top?: { id: number; logprob: number }[][];
  }[];
  totals: { use: string; domain: string; tokens: number; nll: number; bits_per_byte: number }[];
}

interface Fixture {
  rows: { row: object; ids: number[]; mask: number[]; tokens: number; bytes: number; nll: Record<string, number> }[];
}

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "molora-score-"));
});
after(() => rm(folder, { recursive: true }));

async function dataFile(name: string, lines: string[]): Promise<string> {
  const path = join(folder, name);
  const text = `${lines.join("\n")}\n`;
  await writeFile(path, name.endsWith(".gz") ? gzipSync(text) : text);
  return path;
}

const SHARED = "../shared/models/nano";

test("losses are PyTorch's: rows of each domain, four uses in one run", async (t) => {
  if (!existsSync(SHARED)) return t.skip(`shared/ absent: ${SHARED}`);
  const fixture: Fixture = JSON.parse(await readFile("test/fixtures/parity/score_nano.json", "utf8"));
  // A prompt with completion of every domain, and the text
  const chosen = [0, 3, 6, 9, fixture.rows.length - 1].map((i) => fixture.rows[i]);
  const data = await dataFile(
    "rows.jsonl.gz",
    chosen.map(({ row }) => JSON.stringify(row)),
  );
  const uses = ["base", "sql", "math=0.7,code=0.3", "default"];
  const adapters = ["math", "sql", "code"].flatMap((name) => ["--adapter", `${name}=${SHARED}/adapters/${name}`]);
  const ran = await molora([
    ...["score", "--model", SHARED, ...adapters, "--mixture", `default=${SHARED}/mixtures/default`, "--dtype", "f32"],
    ...["--data", data, "--per-token", "--top", "2", "--json", ...uses.flatMap((use) => ["--use", use])],
  ]);
  assert.equal(ran.code, 0, ran.stderr);
  const { rows, totals } = json<Scored>(ran);
  assert.equal(rows.length, uses.length * chosen.length);
  for (const row of rows) {
    const expected = chosen[row.row];
    assert.deepEqual([row.ids, row.tokens, row.bytes], [expected.ids, expected.tokens, expected.bytes]);
    const perToken = Math.abs(row.nll - expected.nll[row.use]) / row.tokens;
    assert.ok(perToken < 1e-3, `${row.use}, row ${row.row}: ${row.nll}, expected ${expected.nll[row.use]}`);
    const sum = row.logprobs!.reduce((total, logprob, i) => total - (row.counted![i] ? logprob : 0), 0);
    assert.ok(Math.abs(sum - row.nll) < 1e-6);
    assert.ok(row.top!.every((top, i) => top.length === 2 && top[0].logprob >= row.logprobs![i] - 1e-6));
  }
  for (const use of uses) {
    const mine = rows.filter((row) => row.use === use);
    const all = totals.find((total) => total.use === use && total.domain === "all")!;
    const sql = totals.find((total) => total.use === use && total.domain === "sql")!;
    assert.equal(
      all.tokens,
      mine.reduce((sum, { tokens }) => sum + tokens, 0),
    );
    assert.ok(Math.abs(all.nll - mine.reduce((sum, { nll }) => sum + nll, 0)) < 1e-6);
    assert.ok(Math.abs(sql.nll - mine[1].nll) < 1e-6);
    assert.ok(Math.abs(sql.bits_per_byte - mine[1].nll / Math.LN2 / mine[1].bytes) < 1e-9);
  }
});

test("a table for people; domains of messages are told apart", async () => {
  const messages = [
    { role: "user", content: "How many?" },
    { role: "assistant", content: "Two.", domain: "math" },
    { role: "user", content: "Why?" },
    { role: "assistant", content: "Because.", domain: "talk" },
  ];
  const data = await dataFile("chat.jsonl", [JSON.stringify({ messages }), "", '{"text":"x"}']);
  const ran = await molora(["score", "--data", data, "--use", "base"]);
  assert.equal(ran.code, 0, ran.stderr);
  const lines = ran.stdout.trim().split("\n");
  assert.deepEqual(lines[0].split(/\s+/), ["use", "domain", "tokens", "nll", "nats/token", "bits/byte"]);
  assert.deepEqual(
    lines.slice(2).map((line) => line.split(/\s+/).slice(0, 2)),
    [
      ["base", "math"],
      ["base", "talk"],
      ["base", "all"],
    ],
  );
});

test("a row longer than the context is named, or cut where that was asked for", async () => {
  const data = await dataFile("long.jsonl", ['{"text":"a"}', `{"text":"${"word ".repeat(40)}"}`]);
  const refused = await molora(["score", "--data", data, "--context", "16", "--json"]);
  const { error } = json<{ error: ErrorMessage }>(refused);
  assert.deepEqual([refused.code, error.code], [1, "prompt_too_long"]);
  assert.match(error.message, /long\.jsonl line 2 has \d+ tokens, the context holds 16/);
  const cut = await molora(["score", "--data", data, "--context", "16", "--truncate", "--json"]);
  assert.equal(json<Scored>(cut).rows[1].tokens, 15);
});

test("odd data is refused before anything is loaded, by file and line", async () => {
  const data = await dataFile("odd.jsonl", ['{"text":"a"}', '{"txt":"b"}']);
  for (const [args, code, error, message] of [
    [["--data", data], 1, "data_invalid", /odd\.jsonl line 2/],
    [["--data", await dataFile("empty.jsonl", [])], 1, "data_invalid", /no row/],
    [["--data", join(folder, "none.jsonl")], 1, "file_not_found", /none\.jsonl/],
    [[], 2, "bad_arguments", /--data/],
    [["--data", data, "--top", "3"], 2, "bad_arguments", /--per-token/],
  ] as const) {
    const ran = await molora(["score", ...args, "--json"]);
    const refusal = json<{ error: ErrorMessage }>(ran).error;
    assert.deepEqual([ran.code, refusal.code], [code, error]);
    assert.match(refusal.message, message);
    assert.doesNotMatch(ran.stderr, /loading/);
  }
});

test("an adapter with a tokenizer of its own reads rows by that, the base by its own, in one run", async () => {
  const folder = "test/fixtures/grown/llama-biases";
  const { spellings } = JSON.parse(await readFile(`${folder}/expected.json`, "utf8"));
  const [{ text, ids }] = spellings;
  const data = await dataFile("own.jsonl", [JSON.stringify({ text })]);
  const model = ["--model", "test/fixtures/families/models/llama-biases", "--adapter", `chat=${folder}/adapters/chat`];
  const uses = ["--use", "chat", "--use", "base", "--per-token", "--top", "1"];
  const ran = await molora(["score", ...model, ...uses, "--data", data, "--dtype", "f32", "--json"]);
  const { rows } = json(ran) as Scored;
  assert.deepEqual(rows[0].ids, ids);
  assert.notDeepEqual(rows[1].ids, ids);
  assert.ok(Math.max(...rows[1].ids!) < 320);
  assert.ok(rows.every(({ logprobs }) => logprobs!.every((value) => value < 0 && Number.isFinite(value))));
  const said = await molora([
    ...[
      "generate",
      ...model,
      "--use",
      "chat",
      "--prompt",
      text,
      "--raw",
      "--max-tokens",
      "3",
      "--logprobs",
      "1",
      "--json",
    ],
  ]);
  const answer = json(said) as { usage: { prompt_tokens: number }; ids: number[]; tokens: string[] };
  assert.equal(answer.usage.prompt_tokens, ids.length);
  for (const [i, id] of answer.ids.entries()) if (id >= 320) assert.match(answer.tokens[i], /^<\|/);
});
