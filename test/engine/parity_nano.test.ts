// nano against transformers and PEFT: the embedded Q8_0 file, and the bf16 original where shared/ has it.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { checkGreedy, checkLogprobs, openEngine, readFixture } from "./parity.ts";

const ORIGINAL = "../shared/models/nano";

function folders(model: string) {
  return { adapters: `${model}/adapters`, mixtures: `${model}/mixtures` };
}

test("embedded nano, its Q8_0 weights widened to f32: equal to transformers and PEFT on the same weights", async () => {
  const fixture = await readFixture("nano_q8");
  const engine = await openEngine(fixture, folders("models/nano"), { model: "models/nano", dtype: "f32" });
  await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
  assert.ok((await checkGreedy(engine, fixture, fixture.uses)) > 100);
  await engine.close();
});

test("embedded nano as it is served (int8 activations): close to the same numbers", async () => {
  const fixture = await readFixture("nano_q8");
  const uses = fixture.uses.filter(({ kind }) => kind !== "routed");
  const engine = await openEngine(fixture, folders("models/nano"), { model: "models/nano" });
  // 2 % of the largest logit (about 20) is what quantised weights are allowed; int8 activations stay well inside.
  const worst = await checkLogprobs(engine, fixture, uses, 0.4);
  await engine.close();
  console.log(`largest error ${worst.toFixed(3)} nats`);
});

test("nano in bf16, as f32: every adapter, stack and router equals transformers and PEFT", async (t) => {
  if (!existsSync(ORIGINAL)) return t.skip(`shared/ absent: no ${ORIGINAL}`);
  const fixture = await readFixture("nano");
  const engine = await openEngine(fixture, folders(ORIGINAL), { model: ORIGINAL, dtype: "f32" });
  const worst = await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
  const compared = await checkGreedy(engine, fixture, fixture.uses);
  await engine.close();
  console.log(`largest error ${worst.toExponential(1)} nats; ${compared} greedy tokens compared`);
  assert.ok(compared > 300);
});
