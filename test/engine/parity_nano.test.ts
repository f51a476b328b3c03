// nano against transformers and PEFT: the embedded Q8_0 file, and the bf16 original where shared/ has it.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { checkGreedy, checkLogprobs, openEngine, readFixture } from "./parity.ts";

const ORIGINAL = "../shared/models/nano";

function folders(model: string) {
  return { adapters: `${model}/adapters`, mixtures: `${model}/mixtures` };
}

test("embedded nano equals transformers and PEFT on the same weights", async () => {
  const fixture = await readFixture("nano_q8");
  const engine = await openEngine(fixture, folders("models/nano"), { model: "models/nano" });
  await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
  assert.ok((await checkGreedy(engine, fixture, fixture.uses)) > 100);
  await engine.close();
});

test("embedded nano with int8 activations: close to the same numbers", async () => {
  const fixture = await readFixture("nano_q8");
  const uses = fixture.uses.filter(({ kind }) => kind !== "routed");
  const options = { model: "models/nano", activations: "q8" } as const;
  const engine = await openEngine(fixture, folders("models/nano"), options);
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
