// LoRA on a base's own experts and their router: alone, stacked, routed, in one batch with the base.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { raises } from "../raises.ts";
import { onEachHost } from "./each_device.ts";
import { collect } from "./parity.ts";
import { checkExpertLora, EXPERT_LORA_MODELS, openExpertLora } from "./parity_expert_lora.ts";

for (const name of readdirSync(EXPERT_LORA_MODELS)) checkExpertLora(name, ["cpu"]);

onEachHost(
  "a mixture that always takes one adapter of experts is that adapter; merging it is refused by name",
  async (device) => {
    const { engine, fixture } = await openExpertLora("olmoe", device);
    const made = await mkdtemp(join(tmpdir(), "molora-experts-"));
    try {
      const adapter = join(process.cwd(), EXPERT_LORA_MODELS, "olmoe/adapters/linear");
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

for (const name of ["olmoe", "qwen3-moe"]) {
  onEachHost(
    `${name}: experts' LoRA out of llama.cpp's GGUF is PEFT's, bit for bit`,
    async (device) => {
      const { engine, fixture } = await openExpertLora(name, device);
      try {
        const { matched } = await engine.loadAdapter("gguf", `${EXPERT_LORA_MODELS}/${name}/gguf/parameters.gguf`);
        assert.ok(matched.includes("layers.0.experts.gate_proj"), matched.join());
        for (const { ids } of fixture.prompts) {
          const scored = async (adapter: string) =>
            (await collect(engine, { ids, maxTokens: 1, promptLogprobs: 0, adapter })).done.promptLogprobs!;
          assert.deepEqual(await scored("gguf"), await scored("parameters"));
        }
      } finally {
        await engine.close();
      }
    },
    ["cpu"],
  );
}
