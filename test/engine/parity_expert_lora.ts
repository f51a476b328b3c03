// LoRA on a base's own experts and their router against PEFT and PyTorch, on the devices that are asked for.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { onEachHost } from "./each_device.ts";
import { FAMILY_MODELS } from "./families.ts";
import { checkGreedy, checkLogprobs, type Fixture, openEngine } from "./parity.ts";

export const EXPERT_LORA_MODELS = "test/fixtures/expert_lora";

export async function openExpertLora(name: string, device: object) {
  const fixture: Fixture = JSON.parse(readFileSync(`${EXPERT_LORA_MODELS}/${name}/expected.json`, "utf8"));
  const options = { model: `${FAMILY_MODELS}/${fixture.model}`, dtype: "f32", contextLength: 256, ...device } as const;
  const folders = { adapters: `${EXPERT_LORA_MODELS}/${name}/adapters` };
  return { engine: await openEngine(fixture, folders, options), fixture };
}

export function checkExpertLora(name: string, devices: readonly ("gpu" | "cpu")[]): void {
  onEachHost(
    `${name}: LoRA on experts and routers equals PEFT's, alone, stacked and beside the base`,
    async (device) => {
      const { engine, fixture } = await openExpertLora(name, device);
      try {
        const worst = await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
        const compared = await checkGreedy(engine, fixture, fixture.uses);
        console.log(`${name}: largest error ${worst.toExponential(1)} nats; ${compared} greedy tokens compared`);
        assert.ok(compared >= 150, `only ${compared} greedy tokens are free of near-ties`);
      } finally {
        await engine.close();
      }
    },
    devices,
  );
}
