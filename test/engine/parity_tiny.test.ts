// The tiny random Llama against transformers and PEFT: every adapter, stack and mixture, in one batch.

import assert from "node:assert/strict";
import { onEachHost } from "./each_device.ts";
import { checkGreedy, checkLogprobs, openEngine, readFixture } from "./parity.ts";

const TINY = "test/fixtures/tiny";
const FOLDERS = { adapters: `${TINY}/adapters`, mixtures: `${TINY}/mixtures` };

onEachHost("tiny, f32: log-probabilities and greedy tokens equal those of transformers and PEFT", async (device) => {
  const fixture = await readFixture("tiny");
  const engine = await openEngine(fixture, FOLDERS, { model: `${TINY}/base`, dtype: "f32", ...device });
  const worst = await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
  const compared = await checkGreedy(engine, fixture, fixture.uses);
  await engine.close();
  console.log(`largest error ${worst.toExponential(1)} nats; ${compared} greedy tokens compared`);
  assert.ok(compared > 300, `only ${compared} greedy tokens are free of near-ties`);
});

for (const folder of ["base-sharded", "base-bf16"]) {
  onEachHost(`tiny from ${folder}: the same numbers from other files`, async (device) => {
    const fixture = await readFixture("tiny");
    const uses = fixture.uses.filter(({ name }) => name === "base" || name === "belief-top1");
    const engine = await openEngine({ ...fixture, uses }, FOLDERS, {
      model: `${TINY}/${folder}`,
      dtype: "f32",
      ...device,
    });
    await checkLogprobs(engine, fixture, uses, 5e-3);
    await engine.close();
  });
}

onEachHost(
  "tiny with llama3 rope scaling, tied f16 weights and attention wider than the hidden size",
  async (device) => {
    const fixture = await readFixture("tiny_llama3");
    const engine = await openEngine(fixture, {}, { model: `${TINY}/llama3-f16`, dtype: "f32", ...device });
    await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
    await checkGreedy(engine, fixture, fixture.uses);
    await engine.close();
  },
);

onEachHost("stories260K: log-probabilities and greedy tokens equal those of transformers", async (device) => {
  const fixture = await readFixture("stories260k");
  const engine = await openEngine(fixture, {}, { model: "test/fixtures/stories260K", dtype: "f32", ...device });
  await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
  await checkGreedy(engine, fixture, fixture.uses);
  await engine.close();
});
