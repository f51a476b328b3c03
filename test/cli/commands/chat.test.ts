// `molora chat` fed line by line: answers, its commands, and errors that do not end it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ErrorMessage } from "../../../proto/api.ts";
import { molora } from "../run.ts";

interface Answer {
  use: string;
  text: string;
  finish_reason: string;
  error?: ErrorMessage;
}

test("a conversation goes on over changes of use and mistakes", async () => {
  const said = ["Count the singers.", "/use sql", "Count the singers.", "/use nobody", "/reset", "Count the singers."];
  const ran = await molora(["chat", "--max-tokens", "5", "--json"], [...said, "/quit", "Not read."].join("\n"));
  assert.equal(ran.code, 0, ran.stderr);
  const answers = ran.stdout
    .trim()
    .split("\n")
    .map((line): Answer => JSON.parse(line));
  assert.deepEqual(
    answers.map(({ use, error }) => use ?? error?.code),
    ["default", "sql", "bad_arguments", "sql"],
  );
  assert.ok(answers.filter(({ error }) => error === undefined).every(({ text }) => text !== ""));
});

test("plain text for people, marked by expert when traced", async () => {
  const ran = await molora(["chat", "--trace", "--max-tokens", "8"], "What are the symptoms of asthma?\n");
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /^\[medical\].*\[\/\]\nmedical 100 %(, \w+ <1 %)*\n$/s);
});
