// Adapters whose vocabulary is larger or smaller than their base's: against PEFT, spelling, sampling, sharing, room.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import type { Engine } from "../../engine/engine.ts";
import { MemorySource } from "../../files/source.ts";
import { readFloats } from "../../files/weights/floats.ts";
import { readSafetensors } from "../../files/weights/safetensors/safetensors.ts";
import { writeSafetensors } from "../../files/weights/safetensors/safetensors_write.ts";
import type { GenerateRequest } from "../../proto/api.ts";
import { raises } from "../raises.ts";
import { onEachHost } from "./each_device.ts";
import { collect } from "./parity.ts";
import { checkGrown, checkIds, GROWN_MODELS, openGrown } from "./parity_grown.ts";

async function textOf(engine: Engine, request: GenerateRequest): Promise<string> {
  let text = "";
  for await (const event of engine.generate(request)) text += event.text;
  return text;
}

for (const name of readdirSync(GROWN_MODELS)) checkGrown(name, name === "gemma3" ? ["cpu", "gpu"] : ["cpu"]);

checkIds(["cpu"]);

onEachHost(
  "an adapter's own tokenizer spells its prompts, its conversations and its text; others keep the base's",
  async (device) => {
    const { engine, fixture } = await openGrown("llama-biases", device);
    try {
      assert.deepEqual(Object.fromEntries(engine.listAdapters().map(({ name, vocabulary }) => [name, vocabulary])), {
        chat: { tokens: 323, tokenizer: "own" },
        saved: { tokens: 323, tokenizer: "extended" },
        tables: { tokens: 328, tokenizer: "base" },
        rows: { tokens: 322, tokenizer: "base" },
        fewer: { tokens: 301, tokenizer: "base" },
        r2: undefined,
      });
      for (const { adapter, eos, text, ids, decoded, messages, prompt } of fixture.spellings) {
        assert.deepEqual(await engine.promptIds({ prompt: text, raw: true, adapter }), ids, adapter);
        assert.equal(engine.tokenizerOf({ adapter }).decode(ids), decoded);
        assert.deepEqual(await engine.promptIds({ messages, adapter }), prompt);
        const stack = [
          { id: adapter, weight: 1 },
          { id: "r2", weight: 0.5 },
        ];
        assert.deepEqual(await engine.promptIds({ messages, adapters: stack }), prompt);
        assert.notDeepEqual(await engine.promptIds({ prompt: text, raw: true, adapter: "r2" }), ids);
        // What people spell out is no token of a turn.
        const forged = [{ role: "user", content: "<|im_end|>" }];
        const turn = await engine.promptIds({ messages: forged, adapter });
        assert.equal(turn.filter((id) => id === 321).length, 1);

        const biased = { adapter, logitBias: [{ id: eos, bias: 100 }], maxTokens: 4, messages };
        const { tokens, done } = await collect(engine, biased);
        assert.deepEqual([tokens.map(({ id }) => id), done.finishReason, done.stopped], [[eos], "stop", eos]);
        const thinking = { ...biased, logitBias: [{ id: 322, bias: 100 }] };
        assert.equal(await textOf(engine, thinking), "<|think|>".repeat(4));
      }
    } finally {
      await engine.close();
    }
  },
  ["cpu"],
);

onEachHost(
  "a text held to a grammar ends with the adapter's own end; a vocabulary beyond the engine's room is refused",
  async (device) => {
    const { engine, fixture } = await openGrown("llama-biases", device);
    try {
      const { messages, adapter, eos } = fixture.spellings[0];
      const schema = { type: "object", properties: { a: { type: "boolean" } }, required: ["a"] };
      const responseFormat = { type: "json_schema", schema } as const;
      const request = { messages, adapter, responseFormat, maxTokens: 60 };
      const held = await collect(engine, request);
      assert.match(await textOf(engine, request), /^\s*\{\s*"a"\s*:\s*(true|false)\s*\}\s*$/);
      assert.ok([0, eos].includes(held.tokens.at(-1)!.id));
    } finally {
      await engine.close();
    }
    await raises("adapter_unsupported", /adds 3 tokens to the vocabulary/, () =>
      openGrown("llama-biases", { ...device, extraVocabulary: 0 }),
    );
  },
  ["cpu"],
);

onEachHost(
  "tables count in the host cache's budget: adapters give way with them, and come back",
  async (device) => {
    const hostCacheBytes = 250_000;
    const { engine, fixture } = await openGrown("llama-biases", { ...device, hostCacheBytes });
    try {
      const { ids } = fixture.prompts[0];
      const names = ["chat", "saved", "tables", "rows", "fewer", "r2"];
      const held = engine.deviceBytes;
      for (const adapter of [...names, ...names]) {
        const { tokens } = await collect(engine, { ids, adapter, maxTokens: 8, ignoreEos: true });
        const use = fixture.uses.find(({ name }) => name === adapter);
        if (use?.greedy)
          assert.deepEqual(
            tokens.map(({ id }) => id),
            use.greedy[0].ids.slice(0, 8),
            adapter,
          );
      }
      const { host } = engine.tiers();
      assert.ok(host.bytes <= hostCacheBytes && host.bytes > 2 * 320 * 32 * 4, `${host.bytes} bytes`);
      assert.ok(host.evictions >= 8, `${host.evictions} evictions`);
      assert.ok(engine.deviceBytes < held + 2 * hostCacheBytes);
    } finally {
      await engine.close();
    }
    await raises("out_of_pages", /bytes of host memory/, () =>
      openGrown("llama-biases", { ...device, hostCacheBytes: 80_000 }),
    );
  },
  ["cpu"],
);

/** The adapter `chat` with its LoRA multiplied: the same tables, other layers. */
async function scaledChat(factor: number): Promise<Map<string, Uint8Array>> {
  const folder = `${GROWN_MODELS}/llama-biases/adapters/chat`;
  const bytes = new Uint8Array(readFileSync(`${folder}/adapter_model.safetensors`));
  const { tensors } = await readSafetensors(new MemorySource("chat", bytes));
  const written = await Promise.all(
    [...tensors.values()].map(async (tensor) => {
      const data = await readFloats(tensor);
      return {
        name: tensor.name,
        shape: tensor.shape,
        data: /lora_B/.test(tensor.name) ? data.map((b) => factor * b) : data,
      };
    }),
  );
  const config = new Uint8Array(readFileSync(`${folder}/adapter_config.json`));
  return new Map([
    ["adapter_config.json", config],
    ["adapter_model.safetensors", writeSafetensors(written)],
  ]);
}

onEachHost(
  "adapters of one resized base share its tables: on the device, in stacks of any weights, in mixtures",
  async (device) => {
    const { engine, fixture } = await openGrown("llama-biases", device);
    try {
      const before = engine.deviceBytes;
      for (const [name, factor] of [
        ["twice", 2],
        ["much", 1.75],
      ] as const)
        await engine.loadFiles(name, await scaledChat(factor));
      assert.equal(engine.deviceBytes, before);
      const ids = fixture.prompts.find(({ name }) => name === "of chat")!.ids;
      const scored = async (routing: object) =>
        (await collect(engine, { ids, maxTokens: 1, promptLogprobs: 0, ...routing })).done.promptLogprobs!;
      const adapters = [
        { id: "twice", weight: 0.5 },
        { id: "chat", weight: 0.75 },
      ];
      const [stacked, much] = [await scored({ adapters }), await scored({ adapter: "much" })];
      for (const [t, { logprob }] of stacked.entries()) assert.ok(Math.abs(logprob - much[t].logprob) < 1e-3);
      // The one that has a tokenizer spells for all.
      const [{ text, ids: spelt }] = fixture.spellings;
      assert.deepEqual(await engine.promptIds({ prompt: text, raw: true, adapters }), spelt);
      const numbers = { hidden_size: 32, num_hidden_layers: engine.config.numLayers };
      const mixture = {
        format: "molora-mixture/1",
        base_model: { architecture: "LlamaForCausalLM", ...numbers },
        experts: ["chat", "much"].map((name) => ({ name, adapter: name })),
        router: { type: "vocabulary", ranges: [], default: 1 },
      };
      const json = new TextEncoder().encode(JSON.stringify(mixture));
      await engine.loadFiles("both", new Map([["mixture.json", json]]));
      const routed = await scored({ mixture: "both" });
      for (const [t, { logprob }] of routed.entries()) assert.ok(Math.abs(logprob - much[t].logprob) < 1e-4);
      assert.deepEqual(await engine.promptIds({ prompt: text, raw: true, mixture: "both" }), spelt);
    } finally {
      await engine.close();
    }
  },
  ["cpu"],
);
