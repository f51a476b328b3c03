// `molora generate` on the embedded model: what it prints, in both forms, and what it refuses.

import assert from "node:assert/strict";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import type { GenerateResult } from "../../../cli/commands/generate.ts";
import type { ErrorMessage } from "../../../proto/api.ts";
import { json, molora, start } from "../run.ts";

const QUESTION = "Write a SQL query: How many singers are there?\nTable columns: name, age";

test("--json has ids, tokens, text, finish reason, usage, log-probabilities and the trace", async () => {
  const args = ["--use", "default", "--max-tokens", "6", "--ignore-eos", "--logprobs", "2", "--trace", "--json"];
  const ran = await molora(["generate", "--prompt", QUESTION, ...args]);
  assert.equal(ran.code, 0, ran.stderr);
  const result = json<GenerateResult>(ran);
  assert.deepEqual(Object.keys(result), ["ids", "tokens", "text", "finish_reason", "usage", "logprobs", "trace"]);
  assert.equal(result.ids.length, 6);
  assert.equal(result.tokens.join(""), result.text);
  assert.equal(result.finish_reason, "length");
  assert.equal(result.usage.completion_tokens, 6);
  assert.ok(result.usage.prompt_tokens > 15);
  for (const [i, { id, token, logprob, top }] of result.logprobs!.entries()) {
    assert.equal(id, result.ids[i]);
    assert.equal(token, result.tokens[i]);
    assert.equal(top.length, 2);
    // Greedy: the token is the likeliest
    assert.deepEqual([top[0].id, top[0].logprob], [id, logprob]);
    assert.ok(logprob <= 0 && top[1].logprob <= logprob);
  }
  assert.equal(result.trace!.length, 6);
  const choices = result.trace!.flat();
  assert.equal(choices.length, 6 * 8);
  const sql = choices.filter(({ experts }) => experts[0] === "sql").length;
  assert.ok(sql > 40, `sql in ${sql} of 48`);
  for (const { experts, gates } of choices) {
    assert.equal(new Set(experts).size, 2);
    assert.ok(gates[0]! >= gates[1]! && Math.abs(gates[0]! + gates[1]! - 1) < 1e-6, `${gates}`);
  }
});

test("text streams to stdout; a routed one carries the names of its experts", async () => {
  const ran = await molora(["generate", "--prompt-file", "-", "--use", "default", "--trace"], QUESTION);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /^\[sql\]SELECT .*;\[\/\]\nsql 100 %(, \w+ <1 %)*\n$/);
});

test("ids are taken as they are; a stop string ends before it appears; a stack needs no mixture", async () => {
  const args = ["generate", "--ids", "1, 202,45", "--use", "math=0.7,code=0.3", "--max-tokens", "12", "--json"];
  const free = json<GenerateResult>(await molora(args));
  assert.equal(free.usage.prompt_tokens, 3);
  assert.equal(free.logprobs, null);
  assert.equal(free.trace, null);
  const stop = free.text.slice(6, 8);
  const stopped = json<GenerateResult>(await molora([...args, "--stop", stop]));
  assert.equal(stopped.finish_reason, "stop");
  assert.equal(stopped.text, free.text.slice(0, free.text.indexOf(stop)));
});

const REFUSED: [what: string, args: string[], code: number, error: string, message: RegExp][] = [
  ["no prompt", [], 2, "bad_arguments", /no prompt/],
  ["two prompts", ["--prompt", "a", "--ids", "1"], 2, "bad_arguments", /more than one/],
  ["ids that are none", ["--ids", "1,x"], 2, "bad_arguments", /"x"/],
  ["two uses", ["--prompt", "a", "--use", "math", "--use", "sql"], 2, "bad_arguments", /2 times/],
  ["a missing prompt file", ["--prompt-file", "none.txt"], 1, "file_not_found", /none\.txt/],
  ["a prompt that is no text", ["--prompt-file", "models/nano/nano.Q8_0.gguf"], 2, "bad_arguments", /is not UTF-8/],
  ["an unknown use", ["--prompt", "a", "--use", "maths"], 2, "bad_arguments", /maths/],
  ["an id out of range", ["--ids", "4096"], 1, "bad_request", /4096/],
  ["a missing model", ["--prompt", "a", "--model", "none"], 1, "file_not_found", /none/],
  ["a prompt beyond the context", ["--prompt", "a b c d", "--context", "4"], 1, "prompt_too_long", /holds 4/],
];

for (const [what, args, code, error, message] of REFUSED) {
  test(`${what}: exit ${code}, ${error}`, async () => {
    const ran = await molora(["generate", ...args, "--json"]);
    const refusal = json<{ error: ErrorMessage }>(ran).error;
    assert.deepEqual([ran.code, refusal.code], [code, error], refusal.message);
    assert.match(refusal.message, message);
    assert.ok(refusal.remedy);
  });
}

test("an interruption ends the line, says so and exits with 1", async () => {
  const args = ["--prompt", "Go on.", "--ignore-eos", "--max-tokens", "900"];
  const child = start(["generate", ...args]);
  const said = text(child.stderr!);
  child.stdout!.setEncoding("utf8");
  let answer = "";
  child.stdout!.on("data", (piece: string) => {
    if (answer === "") child.kill("SIGINT");
    answer += piece;
  });
  const [code] = await once(child, "close");
  assert.equal(code, 1);
  assert.ok(answer.length > 1 && answer.endsWith("\n"));
  assert.match(await said, /error\[cancelled\]/);
});
