// nano as it was trained, in bf16, against transformers and PEFT: every adapter, a stack, routers of every kind.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import type { DeviceOptions } from "../../engine/host.ts";
import { onEachHost } from "./each_device.ts";
import { checkGreedy, checkLogprobs, openEngine, readFixture } from "./parity.ts";

const ORIGINAL = "../shared/models/nano";

if (!existsSync(ORIGINAL)) test("nano in bf16", { skip: `shared/ absent: no ${ORIGINAL}` });
else onEachHost("nano in bf16, as f32: every adapter, stack and router equals transformers and PEFT", checkOriginal);

async function checkOriginal(device: DeviceOptions): Promise<void> {
  const fixture = await readFixture("nano");
  const engine = await openEngine(
    fixture,
    { adapters: `${ORIGINAL}/adapters`, mixtures: "models/nano/mixtures" },
    { model: ORIGINAL, dtype: "f32", ...device },
  );
  const worst = await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
  const compared = await checkGreedy(engine, fixture, fixture.uses);
  await engine.close();
  console.log(`largest error ${worst.toExponential(1)} nats; ${compared} greedy tokens compared`);
  assert.ok(compared > 300);
}
