// The embedded nano (Q8_0) against transformers and PEFT on the same weights.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeHost } from "../../node/host.ts";
import { checkGreedy, checkLogprobs, openEngine, readFixture } from "./parity.ts";

function folders(model: string) {
  return { adapters: `${model}/adapters`, mixtures: `${model}/mixtures` };
}

test("embedded nano equals transformers and PEFT on the same weights", async () => {
  const fixture = await readFixture("nano_q8");
  const engine = await openEngine(fixture, folders("models/nano"), { model: "models/nano", activations: "f32" });
  await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
  assert.ok((await checkGreedy(engine, fixture, fixture.uses)) > 100);
  await engine.close();
});

test("embedded nano with int8 activations: close to the same numbers; refused where the device has none", async () => {
  const fixture = await readFixture("nano_q8");
  const uses = fixture.uses.filter(({ kind }) => kind !== "routed");
  const open = () => openEngine(fixture, folders("models/nano"), { model: "models/nano", activations: "q8" });
  if (!(await hasInt8Activations())) return assert.rejects(open(), { code: "bad_arguments" });
  const engine = await open();
  const worst = await checkLogprobs(engine, fixture, uses, 0.4);
  await engine.close();
  console.log(`largest error ${worst.toFixed(3)} nats`);
});

async function hasInt8Activations(): Promise<boolean> {
  const device = await nodeHost().openDevice({});
  await device.close();
  return device.wishes.int8Activations;
}
