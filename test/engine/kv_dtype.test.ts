// Keys and values in half precision: how far log-probabilities go from float32's, that neither what shares a batch nor the prefix
// cache changes a token, and that the pool holds twice as many positions.

import assert from "node:assert/strict";
import { Engine } from "../../engine/engine.ts";
import { nodeHost } from "../../node/host.ts";
import type { GenerateRequest } from "../../proto/api.ts";
import { onEachHost } from "./each_device.ts";
import { collect, openEngine, readFixture } from "./parity.ts";

const NANO = "models/nano";
/** Of the mean over a text, and of any token, against float32 in transformers and PEFT, in nats. */
const LOSS = 1e-3;
const TOKEN = 1e-2;
const COMMON = "Read the question, think it over, and answer it in one short sentence, please. ";
const REQUESTS: GenerateRequest[] = [
  "How many singers are there?",
  "What are the symptoms of asthma?",
  "Add 2 and 3.",
].flatMap((question) =>
  [{}, { adapter: "math" }, { mixture: "default" }].map((routing) => ({
    prompt: COMMON + question,
    maxTokens: 12,
    ignoreEos: true,
    ...routing,
  })),
);

onEachHost(
  "KV in f16: the loss of nano's texts stays within the bound of float32's, alone and with adapters",
  async (device) => {
    const fixture = await readFixture("nano_q8");
    const uses = fixture.uses.filter(({ kind }) => kind === "single" || kind === "base");
    const options = { model: NANO, dtype: "f32", activations: "f32", kvDtype: "f16", ...device } as const;
    const engine = await openEngine({ ...fixture, uses }, { adapters: `${NANO}/adapters` }, options);
    let worst = 0;
    let largest = 0;
    try {
      for (const use of uses) {
        for (const row of use.rows) {
          const { ids } = fixture.prompts.find(({ name }) => name === row.prompt)!;
          const routing = use.adapter === undefined ? {} : { adapter: use.adapter };
          const { done } = await collect(engine, { ids, maxTokens: 0, promptLogprobs: 1, ...routing });
          const errors = done.promptLogprobs!.map(({ logprob }, t) => logprob - row.logprobs[t]!);
          worst = Math.max(worst, Math.abs(errors.reduce((sum, error) => sum + error, 0) / errors.length));
          largest = Math.max(largest, ...errors.map(Math.abs));
        }
      }
    } finally {
      await engine.close();
    }
    console.log(`a text's loss is off by ${worst.toExponential(1)} nats, a token's by ${largest.toExponential(1)}`);
    assert.ok(worst <= LOSS && largest <= TOKEN, `${worst} and ${largest} nats`);
    assert.ok(largest > 1e-5, "nothing was rounded");
  },
);

onEachHost(
  "KV in f16: batches and the prefix cache change no token, and a page takes half the memory",
  async (device) => {
    const mixtures = { default: `${NANO}/mixtures/default` };
    const poolBytes = 32 << 20;
    const open = (kvDtype: "f32" | "f16", prefixCache: boolean) =>
      Engine.load(nodeHost(), {
        model: NANO,
        mixtures,
        kvDtype,
        poolBytes,
        prefixCache,
        contextLength: 256,
        ...device,
      });
    const ids = async (engine: Engine, request: GenerateRequest) =>
      (await collect(engine, request)).tokens.map(({ id }) => id);
    const engine = await open("f16", false);
    const alone: number[][] = [];
    for (const request of REQUESTS) alone.push(await ids(engine, request));
    assert.deepEqual(await Promise.all(REQUESTS.map((request) => ids(engine, request))), alone);
    const { pagesTotal } = engine.stats();
    await engine.close();
    const caching = await open("f16", true);
    for (const [i, request] of REQUESTS.entries()) assert.deepEqual(await ids(caching, request), alone[i]);
    await caching.close();
    const wide = await open("f32", false);
    assert.ok(Math.abs(pagesTotal - 2 * wide.stats().pagesTotal) <= 2, `${pagesTotal} pages`);
    await wide.close();
  },
  ["cpu"],
);
