// The demo on the embedded model, as it looks without and with colours.

import assert from "node:assert/strict";
import { test } from "node:test";
import { json, molora } from "../run.ts";

const ESCAPE = "\u001b[";

test("four domains, each answered by its own adapter, with legend, shares and speeds", async () => {
  const ran = await molora(["demo", "--model", "nano", "--max-tokens", "24"]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, /7 million parameters/);
  assert.ok(!ran.stdout.includes(ESCAPE));
  assert.match(ran.stdout, /\[base\] {2}\[math\] {2}\[sql\] {2}\[medical\] {2}\[code\]/);
  const openings = [...ran.stdout.matchAll(/^\[(\w+)\][^[]/gm)].map(([, name]) => name);
  assert.deepEqual(openings.slice(-4), ["math", "sql", "medical", "code"]);
  assert.match(ran.stdout, /tokens, [\d.]+ a second, the first after [\d.]+ s/);
  assert.match(ran.stdout, /^sql +█.* \d+ % +[▁-█]/m);
  assert.match(ran.stdout, /first token after [\d.]+ s to [\d.]+ s/);
});

test("with colours: tokens, legend and the map of layers", async () => {
  const ran = await molora([
    "demo",
    "--model",
    "nano",
    "--max-tokens",
    "8",
    "--ask",
    "Count the singers.",
    "--color",
    "always",
  ]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /■ base/);
  assert.equal(ran.stdout.split("\n").filter((line) => line.includes("▀")).length, 4);
});

test("--json gives turns and routing statistics", async () => {
  const ran = await molora(["demo", "--model", "nano", "--max-tokens", "8", "--ask", "Add 2 and 3.", "--json"]);
  const { turns, routing } = json<{
    turns: { tokens: number }[];
    routing: { share: number[]; layerShare: number[][] };
  }>(ran);
  assert.equal(turns.length, 1);
  assert.equal(routing.layerShare.length, 8);
  assert.ok(Math.abs(routing.share.reduce((sum, share) => sum + share, 0) - 1) < 1e-9);
});

test("a model of one's own without a mixture has nothing to route", async () => {
  const ran = await molora(["demo", "--model", "models/nano", "--json"]);
  assert.equal(ran.code, 2);
  assert.match(ran.stdout, /--mixture NAME=DIR/);
});
