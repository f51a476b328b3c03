// The embedded nano (Q8_0) against transformers and PEFT on the same weights.

import assert from "node:assert/strict";
import { onEachHost } from "./each_device.ts";
import { checkGreedy, checkLogprobs, openEngine, readFixture } from "./parity.ts";

function folders(model: string) {
  return { adapters: `${model}/adapters`, mixtures: `${model}/mixtures` };
}

onEachHost("embedded nano equals transformers and PEFT on the same weights", async (device) => {
  const fixture = await readFixture("nano_q8");
  const engine = await openEngine(fixture, folders("models/nano"), {
    model: "models/nano",
    activations: "f32",
    ...device,
  });
  await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
  assert.ok((await checkGreedy(engine, fixture, fixture.uses)) > 100);
  await engine.close();
});

onEachHost(
  "embedded nano with int8 activations: close to the same numbers",
  async (device) => {
    const fixture = await readFixture("nano_q8");
    const uses = fixture.uses.filter(({ kind }) => kind !== "routed");
    const options = { model: "models/nano", activations: "q8", ...device } as const;
    const engine = await openEngine(fixture, folders("models/nano"), options);
    const worst = await checkLogprobs(engine, fixture, uses, 0.4);
    await engine.close();
    console.log(`largest error ${worst.toFixed(3)} nats`);
  },
  ["cpu"],
);
