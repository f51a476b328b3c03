// LoRA on a base's own experts and their router against PEFT and PyTorch: alone, stacked, routed, in one batch with the base.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { raises } from "../raises.ts";
import { onEachHost } from "./each_device.ts";
import { FAMILY_MODELS } from "./families.ts";
import { checkGreedy, checkLogprobs, collect, type Fixture, openEngine } from "./parity.ts";

const MODELS = "test/fixtures/expert_lora";

async function open(name: string, device: object) {
  const fixture: Fixture = JSON.parse(readFileSync(`${MODELS}/${name}/expected.json`, "utf8"));
  const options = { model: `${FAMILY_MODELS}/${fixture.model}`, dtype: "f32", contextLength: 256, ...device } as const;
  return { engine: await openEngine(fixture, { adapters: `${MODELS}/${name}/adapters` }, options), fixture };
}

for (const name of readdirSync(MODELS)) {
  onEachHost(
    `${name}: LoRA on experts and routers equals PEFT's, alone, stacked and beside the base`,
    async (device) => {
      const { engine, fixture } = await open(name, device);
      try {
        const worst = await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
        const compared = await checkGreedy(engine, fixture, fixture.uses);
        console.log(`${name}: largest error ${worst.toExponential(1)} nats; ${compared} greedy tokens compared`);
        assert.ok(compared >= 150, `only ${compared} greedy tokens are free of near-ties`);
      } finally {
        await engine.close();
      }
    },
  );
}

onEachHost(
  "a mixture that always takes one adapter of experts is that adapter; merging it is refused by name",
  async (device) => {
    const { engine, fixture } = await open("olmoe", device);
    const made = await mkdtemp(join(tmpdir(), "molora-experts-"));
    try {
      const adapter = join(process.cwd(), MODELS, "olmoe/adapters/linear");
      const { hiddenSize, numLayers } = engine.config;
      const mixture = {
        format: "molora-mixture/1",
        base_model: { architecture: "OlmoeForCausalLM", hidden_size: hiddenSize, num_hidden_layers: numLayers },
        experts: [{ name: "base" }, { name: "linear", adapter }],
        router: { type: "vocabulary", ranges: [[0, 320, 1]], default: 1 },
      };
      await writeFile(`${made}/mixture.json`, JSON.stringify(mixture));
      await engine.loadMixture("mine", made);
      const { ids } = fixture.prompts[1];
      const scored = async (routing: object) =>
        (await collect(engine, { ids, maxTokens: 1, promptLogprobs: 0, ...routing })).done.promptLogprobs!;
      const [alone, routed] = [await scored({ adapter: "linear" }), await scored({ mixture: "mine" })];
      for (const [t, { logprob }] of routed.entries()) assert.ok(Math.abs(logprob - alone[t].logprob) < 1e-4);
      const adapters = [{ name: "linear" }, { name: "r2" }];
      await raises("adapter_unsupported", /"linear" extends the base's own experts/, () =>
        engine.merge("both", { method: "cat", adapters }),
      );
    } finally {
      await rm(made, { recursive: true });
      await engine.close();
    }
  },
  ["cpu"],
);
