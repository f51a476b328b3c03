// One test for one tiny model of test/fixtures/families/models: everything that was computed with it, on some devices.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { onEachHost } from "./each_device.ts";
import { checkGreedy, checkLogprobs, type Fixture, openEngine } from "./parity.ts";

export const FAMILY_MODELS = "test/fixtures/families/models";
/** The same in GGUF (test/fixtures/scripts/parity_families_gguf.py). */
export const FAMILY_GGUFS = "test/fixtures/families/gguf";

/** Between them they have every fact of a layer: norms of q and k, norms around, windows, two RoPE bases, GELU, biases. */
export const ON_GPU_ALWAYS = ["gemma3", "qwen2"];

/** `model`: where its weights are, if not in its folder. */
export function checkFamily(name: string, devices: readonly ("cpu" | "gpu")[], model?: string): void {
  const folder = `${FAMILY_MODELS}/${name}`;
  const [expected, mixed] = ["expected", "mixed"].map((file): Fixture & { context: number } =>
    JSON.parse(readFileSync(`${folder}/${file}.json`, "utf8")),
  );
  // mixed.json has the base too, with a greedy continuation.
  const fixture = {
    ...mixed,
    uses: [...expected.uses.filter(({ kind }) => kind !== "base"), ...mixed.uses],
  };
  onEachHost(
    `${model ?? name}: log-probabilities and greedy tokens, alone, stacked and routed, equal those of transformers and PEFT`,
    async (device) => {
      const folders = { adapters: `${folder}/adapters`, mixtures: `${folder}/mixtures` };
      const options = { model: model ?? folder, dtype: "f32", contextLength: mixed.context, ...device } as const;
      const engine = await openEngine(fixture, folders, options);
      try {
        const worst = await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
        const compared = await checkGreedy(engine, fixture, fixture.uses);
        console.log(`${name}: largest error ${worst.toExponential(1)} nats; ${compared} greedy tokens compared`);
        assert.ok(compared >= 20, `only ${compared} greedy tokens are free of near-ties`);
      } finally {
        await engine.close();
      }
    },
    devices,
  );
}
