// Registered adapters that nobody asks for cost those that are asked for nothing: what the process executes for the same requests,
// counted block by block by the JavaScript engine, is the same with 8 names as with hundreds.

import assert from "node:assert/strict";
import { Session } from "node:inspector/promises";
import { after, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { writePeftAdapter } from "../../../files/lora/peft_write.ts";
import { Engine } from "../../../node/index.ts";
import { MoloraClient } from "../../../proto/client.ts";
import { serve } from "../../../server/http/serve.ts";

const [FEW, MANY] = [8, 400];
/** What is asked for, of all there are. */
const ASKED = 4;
const nameOf = (index: number) => `tenant-${index}`;

const engine = await Engine.load({ device: "cpu", threads: 1, poolBytes: 32 * 2 ** 20, contextLength: 512 });
const server = await serve(engine);
after(async () => {
  await server.close();
  await engine.close();
});

/** Each of other numbers, and so a generation of its own. */
async function register(first: number, end: number): Promise<void> {
  const { config } = engine;
  for (let i = first; i < end; i++) {
    const a = Float32Array.from({ length: config.hiddenSize }, (_, k) => Math.sin(k + i) / 16);
    const b = Float32Array.from({ length: config.numHeads * config.headDim }, (_, k) => Math.cos(k * i) / 16);
    const layers = Array.from({ length: config.numLayers }, () => ({ q_proj: { rank: 1, scale: 1, a, b } }));
    const files = writePeftAdapter({ layers }, config);
    const folder = new Map([
      ["adapter_config.json", new TextEncoder().encode(files.config)],
      ["adapter_model.safetensors", files.safetensors],
    ]);
    await engine.loadFiles(nameOf(i), folder);
    // Asked for once, it takes pages of the device.
    for await (const _ of engine.generate({ ids: [20 + i], maxTokens: 1, adapter: nameOf(i) }));
  }
}

/** The same requests each time, one after another, so that there is one order of things. */
async function askAll(): Promise<string[]> {
  const texts: string[] = [];
  const client = await MoloraClient.connect(server.url);
  for (let i = 0; i < 3 * ASKED; i++) {
    const adapter = nameOf(i % ASKED);
    let text = "";
    const ids = Array.from({ length: 24 }, (_, k) => 30 + i + k);
    for await (const event of client.generate({ ids, adapter, maxTokens: 12, ignoreEos: true })) text += event.text;
    texts.push(text);
    const response = await fetch(`${server.baseUrl}/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: `nano:${adapter}`, prompt: `Add ${i} and 3.`, max_tokens: 12, temperature: 0 }),
    });
    const { choices } = (await response.json()) as { choices: { text: string }[] };
    texts.push(choices[0].text);
  }
  await client.close();
  return texts;
}

// Optimised code is not counted in full.
setFlagsFromString("--no-opt");
const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });

/** Times that blocks of molora's own code were entered. */
async function executed(work: () => Promise<unknown>): Promise<Map<string, number>> {
  await session.post("Profiler.takePreciseCoverage"); // begins to count anew
  await work();
  const { result } = await session.post("Profiler.takePreciseCoverage");
  const counts = new Map<string, number>();
  for (const { url, functions } of result) {
    if (!/\/dist\/(?:engine|server|node|files|router)\//.test(url)) continue;
    for (const { functionName, ranges } of functions) {
      const place = `${url.replace(/.*\/dist\//, "")} ${functionName}`;
      counts.set(place, (counts.get(place) ?? 0) + ranges.reduce((sum, { count }) => sum + count, 0));
    }
  }
  return counts;
}

const sum = (counts: Map<string, number>) => [...counts.values()].reduce((total, count) => total + count, 0);

test(`${MANY} names cost requests for ${ASKED} of them what ${FEW} names do`, async () => {
  await register(0, FEW);
  const texts = await askAll();
  const few = await executed(askAll);
  await register(FEW, MANY);
  assert.ok(engine.stats().evictions > 0, "more than the device holds");
  assert.deepEqual(await askAll(), texts);
  const evictions = engine.stats().evictions;
  const many = await executed(askAll);
  assert.equal(engine.stats().evictions, evictions, "what is asked for stays on the device");
  const grown = [...many]
    .map(([place, count]) => ({ place, more: count - (few.get(place) ?? 0) }))
    .filter(({ more }) => more >= MANY / 2)
    .sort((a, b) => b.more - a.more);
  assert.deepEqual(grown, [], "nothing goes over all names");
  const ratio = sum(few) / sum(many);
  assert.ok(ratio >= 0.98, `${sum(few)} blocks with ${FEW} names, ${sum(many)} with ${MANY}`);
});
