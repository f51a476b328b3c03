// Whole models against transformers and PEFT on the same weights, on one device.

import assert from "node:assert/strict";
import type { DeviceOptions } from "../../engine/host.ts";
import { checkGreedy, checkLogprobs, openEngine, readFixture } from "./parity.ts";

export const TINY = "test/fixtures/tiny";
export const TINY_FOLDERS = { adapters: `${TINY}/adapters`, mixtures: `${TINY}/mixtures` };

export async function checkTiny(device: DeviceOptions): Promise<void> {
  const fixture = await readFixture("tiny");
  const engine = await openEngine(fixture, TINY_FOLDERS, { model: `${TINY}/base`, dtype: "f32", ...device });
  const worst = await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
  const compared = await checkGreedy(engine, fixture, fixture.uses);
  await engine.close();
  console.log(`largest error ${worst.toExponential(1)} nats; ${compared} greedy tokens compared`);
  assert.ok(compared > 300, `only ${compared} greedy tokens are free of near-ties`);
}

/** llama3 RoPE scaling, tied f16 weights, attention wider than the hidden size. */
export async function checkLlama3(device: DeviceOptions): Promise<void> {
  const fixture = await readFixture("tiny_llama3");
  const engine = await openEngine(fixture, {}, { model: `${TINY}/llama3-f16`, dtype: "f32", ...device });
  await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
  await checkGreedy(engine, fixture, fixture.uses);
  await engine.close();
}

export async function checkStories(device: DeviceOptions): Promise<void> {
  const fixture = await readFixture("stories260k");
  const engine = await openEngine(fixture, {}, { model: "test/fixtures/stories260K", dtype: "f32", ...device });
  await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
  await checkGreedy(engine, fixture, fixture.uses);
  await engine.close();
}

export function nanoFolders(model: string) {
  return { adapters: `${model}/adapters`, mixtures: `${model}/mixtures` };
}

/** The embedded nano, Q8_0. */
export async function checkNano(device: DeviceOptions): Promise<void> {
  const fixture = await readFixture("nano_q8");
  const options = { model: "models/nano", activations: "f32", ...device } as const;
  const engine = await openEngine(fixture, nanoFolders("models/nano"), options);
  await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
  assert.ok((await checkGreedy(engine, fixture, fixture.uses)) > 100);
  await engine.close();
}
