// One test of an activated LoRA against PEFT, on some devices.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { onEachHost } from "./each_device.ts";
import { FAMILY_MODELS } from "./families.ts";
import { checkGreedy, checkLogprobs, type Fixture, openEngine } from "./parity.ts";

export const FOLDER = "test/fixtures/activated";
export const FIXTURE: Fixture = JSON.parse(readFileSync(`${FOLDER}/expected.json`, "utf8"));
export const MODEL = `${FAMILY_MODELS}/${FIXTURE.model}`;
export const open = (device: object) =>
  openEngine(
    FIXTURE,
    { adapters: `${FOLDER}/adapters` },
    { model: MODEL, dtype: "f32", contextLength: 256, ...device },
  );

export function checkActivated(devices: readonly ("cpu" | "gpu")[]): void {
  onEachHost(
    "an activated LoRA, alone and stacked, equals PEFT wherever its invocation stands",
    async (device) => {
      const engine = await open(device);
      try {
        const worst = await checkLogprobs(engine, FIXTURE, FIXTURE.uses, 5e-3);
        const compared = await checkGreedy(engine, FIXTURE, FIXTURE.uses);
        console.log(`largest error ${worst.toExponential(1)} nats; ${compared} greedy tokens compared`);
        assert.ok(compared > 100);
      } finally {
        await engine.close();
      }
    },
    devices,
  );
}
