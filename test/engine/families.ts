// One test for one tiny model of test/fixtures/families/models: everything that was computed with it, on some devices.

import { readFileSync } from "node:fs";
import { onEachHost } from "./each_device.ts";
import { checkLogprobs, type Fixture, openEngine } from "./parity.ts";

export const FAMILY_MODELS = "test/fixtures/families/models";

export function checkFamily(name: string, devices: readonly ("cpu" | "gpu")[]): void {
  const folder = `${FAMILY_MODELS}/${name}`;
  const fixture: Fixture & { context: number } = JSON.parse(readFileSync(`${folder}/expected.json`, "utf8"));
  // An adapter of Phi 3's fused matrices has no loader yet.
  const uses = name.startsWith("phi") ? fixture.uses.filter(({ kind }) => kind === "base") : fixture.uses;
  onEachHost(
    `${name}: log-probabilities of the base and with adapters equal those of transformers and PEFT`,
    async (device) => {
      const options = { model: folder, dtype: "f32", contextLength: fixture.context, ...device } as const;
      const engine = await openEngine({ ...fixture, uses }, { adapters: `${folder}/adapters` }, options);
      try {
        const worst = await checkLogprobs(engine, fixture, uses, 5e-3);
        console.log(`${name}: largest error ${worst.toExponential(1)} nats`);
      } finally {
        await engine.close();
      }
    },
    devices,
  );
}
