// Activated LoRA against PEFT: alone, stacked, in a batch with others; its prompt up to the invocation is the base's.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { raises } from "../raises.ts";
import { onEachHost } from "./each_device.ts";
import { collect } from "./parity.ts";
import { checkActivated, FIXTURE, FOLDER, MODEL, open } from "./parity_activated.ts";

checkActivated(["cpu"]);

onEachHost(
  "what stands before the invocation is shared with the base, what follows is not",
  async (device) => {
    const engine = await open(device);
    try {
      const { ids } = FIXTURE.prompts[0];
      const expected = FIXTURE.uses[0].greedy![0].ids;
      const answer = async (adapter?: string) => {
        const { tokens, done } = await collect(engine, {
          ids,
          maxTokens: 16,
          ignoreEos: true,
          ...(adapter && { adapter }),
        });
        return { found: tokens.map(({ id }) => id), cached: done.usage.cachedTokens ?? 0 };
      };
      // The invocation begins at position 37: two pages of 16 are the base's, the third is not.
      const base = await answer();
      assert.deepEqual(await answer("alora"), { found: expected, cached: 32 });
      assert.deepEqual(await answer("alora"), { found: expected, cached: 48 });
      assert.deepEqual((await answer()).found, base.found);
      assert.notDeepEqual(base.found, expected);
    } finally {
      await engine.close();
    }
  },
  ["cpu"],
);

onEachHost(
  "a prompt that does not invoke it is refused, and so are a mixture with it and an invocation of no tokens",
  async (device) => {
    const engine = await open(device);
    const made = await mkdtemp(join(tmpdir(), "molora-activated-"));
    try {
      const missing = collect(engine, { ids: [5, 17, 230, 9], maxTokens: 1, adapter: "alora" });
      await raises("bad_request", /does not invoke "alora"/, () => missing);
      const mixture = {
        format: "molora-mixture/1",
        base_model: { architecture: "Qwen2ForCausalLM", hidden_size: 32, num_hidden_layers: 4 },
        experts: [{ name: "base" }, { name: "alora", adapter: join(process.cwd(), FOLDER, "adapters/alora") }],
        router: { type: "uniform", top_k: 2, gate: "unit" },
      };
      const { hidden_size, num_hidden_layers } = JSON.parse(await readFile(`${MODEL}/config.json`, "utf8"));
      Object.assign(mixture.base_model, { hidden_size, num_hidden_layers });
      await writeFile(`${made}/mixture.json`, JSON.stringify(mixture));
      await raises("mixture_invalid", /activated LoRA/, () => engine.loadMixture("mine", made));
      for (const [invocation, code] of [
        [[9999], "adapter_mismatch"],
        [["a"], "config_invalid"],
      ] as const) {
        await cp(`${FOLDER}/adapters/alora`, `${made}/spoilt`, { recursive: true });
        const config = JSON.parse(await readFile(`${made}/spoilt/adapter_config.json`, "utf8"));
        await writeFile(
          `${made}/spoilt/adapter_config.json`,
          JSON.stringify({ ...config, alora_invocation_tokens: invocation }),
        );
        await raises(code, /token/, () => engine.loadAdapter("spoilt", `${made}/spoilt`));
      }
    } finally {
      await rm(made, { recursive: true });
      await engine.close();
    }
  },
  ["cpu"],
);
