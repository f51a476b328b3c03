// Keys and values in half precision: log-probabilities stay near float32's, neither what shares a batch nor the prefix cache changes
// a token, and the pool holds twice as many positions. On the GPU: kv_dtype_gpu.slow.test.ts.

import assert from "node:assert/strict";
import { Engine } from "../../engine/engine.ts";
import { nodeHost } from "../../node/host.ts";
import type { GenerateRequest } from "../../proto/api.ts";
import { onEachHost } from "./each_device.ts";
import { checkLoss } from "./kv_dtype.ts";
import { collect } from "./parity.ts";

const NANO = "models/nano";
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

checkLoss(["cpu"]);

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
