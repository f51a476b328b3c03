// One test for one tiny model of test/fixtures/adapters: adapters of every kind beside each other, on some devices.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { onEachHost } from "./each_device.ts";
import { FAMILY_MODELS } from "./families.ts";
import { checkGreedy, checkLogprobs, type Fixture, openEngine } from "./parity.ts";

export const ADAPTER_MODELS = "test/fixtures/adapters";

export function checkAdapters(name: string, devices: readonly ("cpu" | "gpu")[]): void {
  const folder = `${ADAPTER_MODELS}/${name}`;
  const fixture: Fixture = JSON.parse(readFileSync(`${folder}/expected.json`, "utf8"));
  const kinds = fixture.uses.filter(({ kind }) => kind === "single").map((use) => use.name);
  onEachHost(
    `${name} with ${kinds.join(", ")}, alone, stacked, routed and in one batch, equals PEFT`,
    async (device) => {
      const folders = { adapters: `${folder}/adapters`, mixtures: `${folder}/mixtures` };
      const options = { model: `${FAMILY_MODELS}/${fixture.model}`, dtype: "f32", maxRank: 128, ...device } as const;
      const engine = await openEngine(fixture, folders, { ...options, contextLength: 256 });
      try {
        const worst = await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
        const compared = await checkGreedy(engine, fixture, fixture.uses);
        console.log(`${name}: largest error ${worst.toExponential(1)} nats; ${compared} greedy tokens compared`);
        assert.ok(compared >= 100, `only ${compared} greedy tokens are free of near-ties`);
      } finally {
        await engine.close();
      }
    },
    devices,
  );
}
