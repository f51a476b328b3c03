// Adapters that change embedding and output head against PEFT: alone, stacked, beside others in one batch.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine } from "../../engine/engine.ts";
import { MemorySource } from "../../files/source.ts";
import { readFloats } from "../../files/weights/floats.ts";
import { readSafetensors } from "../../files/weights/safetensors/safetensors.ts";
import { writeSafetensors } from "../../files/weights/safetensors/safetensors_write.ts";
import { raises } from "../raises.ts";
import { onEachHost } from "./each_device.ts";
import { FAMILY_MODELS } from "./families.ts";
import { checkGreedy, checkLogprobs, collect, type Fixture, openEngine } from "./parity.ts";

const MODELS = "test/fixtures/vocabulary";

async function open(name: string, device: object): Promise<{ engine: Engine; fixture: Fixture }> {
  const fixture: Fixture = JSON.parse(readFileSync(`${MODELS}/${name}/expected.json`, "utf8"));
  const options = { model: `${FAMILY_MODELS}/${fixture.model}`, dtype: "f32", contextLength: 256, ...device } as const;
  return { engine: await openEngine(fixture, { adapters: `${MODELS}/${name}/adapters` }, options), fixture };
}

for (const name of readdirSync(MODELS)) {
  onEachHost(
    `${name}: changed embeddings and heads, alone, stacked and in one batch with the base, equal PEFT's`,
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
    name === "gemma3" ? ["cpu", "gpu"] : ["cpu"],
  );
}

onEachHost(
  "tables of an adapter: freed when it is unloaded, found again under another name, refused in halves and where a mixture's differ",
  async (device) => {
    const { engine, fixture } = await open("llama-biases", device);
    const made = await mkdtemp(join(tmpdir(), "molora-vocabulary-"));
    try {
      const path = `${MODELS}/llama-biases/adapters`;
      const { ids } = fixture.prompts[0];
      const answer = async (adapter: string) =>
        (await collect(engine, { ids, maxTokens: 8, ignoreEos: true, adapter })).tokens.map(({ id }) => id);
      const before = await answer("saved");
      const held = engine.deviceBytes;
      await engine.loadAdapter("again", `${path}/saved`);
      assert.equal(engine.deviceBytes, held);
      await engine.unloadAdapter("saved");
      assert.equal(engine.deviceBytes, held);
      assert.deepEqual(await answer("again"), before);
      await engine.unloadAdapter("again");
      // What the last step read goes when the next begins.
      await answer("r2");
      assert.ok(engine.deviceBytes < held - 2 * 320 * 32 * 4, `${engine.deviceBytes} of ${held} bytes`);

      const stack = (adapters: { id: string; weight: number }[]) => () =>
        collect(engine, { ids, maxTokens: 1, adapters });
      await raises("bad_request", /"rows" has an embedding.*weighed by 0.5/, stack([{ id: "rows", weight: 0.5 }]));
      const two = ["rows", "tables"].map((id) => ({ id, weight: 1 }));
      await raises("bad_request", /"rows" has an embedding.*so does "tables"/, stack(two));
      const mixtureOf = async (names: string[]) => {
        const experts = names.map((name) => ({ name, adapter: join(process.cwd(), path, name) }));
        const numbers = { hidden_size: 32, num_hidden_layers: engine.config.numLayers };
        const mixture = {
          format: "molora-mixture/1",
          base_model: { architecture: "LlamaForCausalLM", ...numbers },
          experts: [{ name: "base" }, ...experts],
          router: { type: "vocabulary", ranges: [], default: 1 },
        };
        await writeFile(`${made}/mixture.json`, JSON.stringify(mixture));
        return engine.loadMixture("mine", made);
      };
      await raises("mixture_invalid", /experts "rows" and "tables" have embeddings/, () =>
        mixtureOf(["rows", "tables"]),
      );
      await mixtureOf(["rows", "r2"]);
      const scored = async (routing: object) =>
        (await collect(engine, { ids, maxTokens: 1, promptLogprobs: 0, ...routing })).done.promptLogprobs!;
      const [alone, routed] = [await scored({ adapter: "rows" }), await scored({ mixture: "mine" })];
      for (const [t, { logprob }] of routed.entries()) assert.ok(Math.abs(logprob - alone[t].logprob) < 1e-4);
      // The mixture holds the adapter, and its tables, on.
      await engine.unloadAdapter("rows");
      const kept = await scored({ mixture: "mine" });
      for (const [t, { logprob }] of kept.entries()) assert.ok(Math.abs(logprob - alone[t].logprob) < 1e-4);
      const beside = engine.deviceBytes;
      await engine.unloadMixture("mine");
      await answer("r2");
      await answer("r2");
      assert.ok(engine.deviceBytes < beside, `${engine.deviceBytes} of ${beside} bytes`);
    } finally {
      await rm(made, { recursive: true });
      await engine.close();
    }
  },
  ["cpu"],
);

onEachHost(
  "a recipe whose part has tables computes what the stack made by hand does, beside a router too",
  async (device) => {
    const { engine, fixture } = await open("llama-biases", device);
    const made = await mkdtemp(join(tmpdir(), "molora-recipe-tables-"));
    const at = (name: string) => join(process.cwd(), MODELS, "llama-biases/adapters", name);
    const stacked = (name: string, weight = 1) => ({ name, adapter: at(name), weight });
    const load = async (name: string, parts: object[]) => {
      const path = join(made, `${name}.json`);
      await writeFile(path, JSON.stringify({ format: "molora-recipe/1", parts }));
      return engine.loadMixture(name, path);
    };
    const { ids } = fixture.prompts[0];
    const scored = async (routing: object) =>
      (await collect(engine, { ids, maxTokens: 4, ignoreEos: true, promptLogprobs: 0, ...routing })).done
        .promptLogprobs!;
    const assertAlike = (got: Awaited<ReturnType<typeof scored>>, wanted: typeof got) => {
      for (const [t, { logprob }] of got.entries())
        assert.ok(Math.abs(logprob - wanted[t].logprob) < 1e-4, `token ${t}`);
    };
    try {
      const byHand = await scored({ adapters: ["tables", "r2"].map((id) => ({ id, weight: 1 })) });
      const others = await scored({ adapter: "r2" });
      assert.ok(
        others.some(({ logprob }, t) => Math.abs(logprob - byHand[t].logprob) > 1e-2),
        "tables are seen",
      );
      await load("layers", [stacked("tables"), stacked("r2")]);
      assertAlike(await scored({ mixture: "layers" }), byHand);
      // A batch with the base: each has its own tables.
      const [mixed, base] = await Promise.all([scored({ mixture: "layers" }), scored({})]);
      assertAlike(mixed, byHand);
      assertAlike(base, await scored({}));

      const numbers = { hidden_size: 32, num_hidden_layers: engine.config.numLayers };
      const mixture = {
        format: "molora-mixture/1",
        base_model: { architecture: "LlamaForCausalLM", ...numbers },
        experts: [{ name: "base" }, { name: "r2", adapter: at("r2") }],
        router: { type: "vocabulary", ranges: [], default: 1 },
      };
      await writeFile(join(made, "mixture.json"), JSON.stringify(mixture));
      await load("routed", [stacked("tables"), { name: "skills", mixture: made }]);
      assertAlike(await scored({ mixture: "routed" }), byHand);

      await raises("mixture_invalid", /"rows" has an embedding.*so does "tables"/, () =>
        load("two", [stacked("rows"), stacked("tables")]),
      );
      await raises("mixture_invalid", /"tables" has an embedding.*weighed by 0.5/, () =>
        load("half", [stacked("tables", 0.5)]),
      );
      // The recipe alone holds the tables by now.
      await engine.unloadAdapter("tables");
      assertAlike(await scored({ mixture: "layers" }), byHand);
    } finally {
      await rm(made, { recursive: true });
      await engine.close();
    }
  },
  ["cpu"],
);

onEachHost(
  "a step of which no row is the base's leaves its head out",
  async (device) => {
    const { engine, fixture } = await open("llama-biases", device);
    const made = await mkdtemp(join(tmpdir(), "molora-vocabulary-"));
    try {
      // The same adapter without its head.
      const own = `${MODELS}/llama-biases/adapters/head`;
      const config = JSON.parse(readFileSync(`${own}/adapter_config.json`, "utf8"));
      const { tensors } = await readSafetensors(
        new MemorySource("own", readFileSync(`${own}/adapter_model.safetensors`)),
      );
      const layers = [...tensors.values()].filter(({ name }) => !name.includes("lm_head"));
      assert.ok(layers.length > 0 && layers.length < tensors.size);
      const written = layers.map(async (tensor) => {
        const { name, shape } = tensor;
        return { name, shape, data: await readFloats(tensor) };
      });
      await writeFile(`${made}/adapter_model.safetensors`, writeSafetensors(await Promise.all(written)));
      await writeFile(`${made}/adapter_config.json`, JSON.stringify({ ...config, target_modules: ["o_proj"] }));
      await engine.loadAdapter("headless", made);

      const launches = async (adapter: string) => {
        await collect(engine, { ids: fixture.prompts[0].ids, maxTokens: 4, ignoreEos: true, adapter });
        return engine.counters.launches;
      };
      // Its head, and what puts its rows where the base's would be, in place of the base's head.
      assert.equal(await launches("head"), (await launches("headless")) + 1);
    } finally {
      await rm(made, { recursive: true });
      await engine.close();
    }
  },
  ["cpu"],
);
