// `molora bench` on nano, small: its shape in both forms, and what it refuses. Times are not judged.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { BenchReport } from "../../../cli/commands/bench.ts";
import type { ErrorMessage } from "../../../proto/api.ts";
import { json, molora } from "../run.ts";

const SMALL = ["--prompt", "16", "--tokens", "4", "--rounds", "1", "--device", "cpu"];

test("bench --json has figures for the base, an adapter, a mixture and batches", async () => {
  const ran = await molora(["bench", ...SMALL, "--threads", "1", "--json"]);
  assert.equal(ran.code, 0, ran.stderr);
  const report = json<BenchReport>(ran);
  assert.deepEqual([report.prompt_tokens, report.tokens, report.rounds], [16, 4, 1]);
  assert.equal(report.device.kind, "cpu");
  assert.match(report.device.description, /1 thread$/);
  assert.deepEqual(
    report.uses.map(({ use, kind }) => [use, kind]),
    [
      ["base", "base"],
      ["math", "adapter"],
      ["default", "mixture"],
    ],
  );
  assert.deepEqual([report.uses[0].decode_over_base, report.uses[0].prefill_over_base], [1, 1]);
  assert.deepEqual(
    report.batches.map(({ requests, adapters }) => [requests, adapters]),
    [
      [8, 4],
      [32, 4],
    ],
  );
  const { first_token, memory, load_ms } = report;
  assert.equal(first_token.first_over_later, first_token.first_ms / first_token.later_ms);
  const speeds = report.uses.flatMap((use) => [use.prefill_tokens_per_second, use.decode_tokens_per_second]);
  const together = report.batches.flatMap((batch) => [batch.decode_tokens_per_second, batch.over_one_at_a_time]);
  for (const figure of [...speeds, ...together, load_ms, ...Object.values(memory), ...Object.values(first_token)]) {
    assert.ok(Number.isFinite(figure) && figure > 0);
  }
  assert.match(ran.stderr, /measuring 100 % {2}10 runs of 10 runs/);
  assert.doesNotMatch(ran.stderr, /Warning/);
});

test("bench without adapters measures the base alone, as tables", async () => {
  const ran = await molora(["bench", ...SMALL, "--model", "models/nano"]);
  assert.equal(ran.code, 0, ran.stderr);
  const lines = ran.stdout.split("\n");
  assert.match(lines[0], /^models\/nano on the CPU: .*, Node v\d+/);
  assert.match(lines[1], /^prompts of 16 tokens, 4 generated, medians of 1 round$/);
  assert.match(ran.stdout, /\nbase +\d+ +[\d.]+ +1\.00 +1\.00\n/);
  assert.doesNotMatch(ran.stdout, /adapter |mixture /);
  assert.match(ran.stdout, /\n8 requests, base +\d+ +[\d.]+\n32 requests, base +\d+ +[\d.]+\n/);
  assert.match(ran.stdout, /first token: \d+ ms after loading, \d+ ms later on/);
});

test("more tokens than the context holds, and too few to time a step, are refused", async () => {
  const long = await molora(["bench", "--prompt", "2000", "--device", "cpu", "--json"]);
  const { error } = json<{ error: ErrorMessage }>(long);
  assert.deepEqual([long.code, error.code], [2, "bad_arguments"]);
  assert.match(error.message, /2032 tokens, the context holds 1024/);
  const short = await molora(["bench", "--tokens", "1"]);
  assert.equal(short.code, 2);
  assert.match(short.stderr, /--tokens must be a whole number of at least 2/);
});
