// An edit under a key, added to a mixture and taken out again: every bit of what the engine said before comes back. Where no
// key is met, the mixture says bit for bit what the base does.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Engine } from "../../engine/engine.ts";
import { nodeHost } from "../../node/host.ts";
import type { GenerateRequest } from "../../proto/api.ts";
import type { KeyLayer } from "../../router/mixture.ts";
import { writeMixture } from "../../router/write.ts";
import { randomFloats } from "../shaders/device.ts";
import { onEachHost } from "./each_device.ts";
import { collect } from "./parity.ts";

const NANO = "models/nano";
const PROMPTS = ["How many singers are there?\nTable columns: age, name, singer", "What are the symptoms of asthma?"];
const MEMORY = 0.8;

/** Keys in no particular direction, which some tokens meet and others do not; the base has none. */
function keyLayers(layers: number, width: number, experts: number, threshold: number): KeyLayer[] {
  return Array.from({ length: layers }, (_, layer) => {
    const keys = new Float32Array(experts * width);
    for (let e = 1; e < experts; e++) {
      const key = randomFloats(width, 100 * layer + e);
      const length = Math.hypot(...key);
      keys.set(
        key.map((value) => value / length),
        e * width,
      );
    }
    return { keys, center: new Float32Array(width), thresholds: new Float32Array(experts).fill(threshold) };
  });
}

onEachHost("an edit is rolled back to the bit, and an unmet key is the base to the bit", async (device) => {
  const folder = await mkdtemp(join(tmpdir(), "molora-keys-"));
  const engine = await Engine.load(nodeHost(), { model: NANO, contextLength: 256, ...device });
  try {
    const { architecture, hiddenSize, numLayers } = engine.config;
    const mixture = async (name: string, experts: string[], threshold: number) => {
      const router = {
        type: "keys",
        memory: MEMORY,
        default: 0,
        topK: 1,
        gate: "unit",
        temperature: 1,
        layers: keyLayers(numLayers, hiddenSize, experts.length + 1, threshold),
      } as const;
      const { json, safetensors } = writeMixture({
        baseModel: { architecture, hiddenSize, numLayers },
        experts: [
          { name: "base", adapter: undefined, sha256: undefined },
          ...experts.map((expert) => ({
            name: expert,
            adapter: resolve(NANO, "adapters", expert),
            sha256: undefined,
          })),
        ],
        router,
      });
      const path = join(folder, name);
      await mkdir(path);
      await writeFile(join(path, "mixture.json"), json);
      await writeFile(join(path, "router.safetensors"), safetensors!);
      return path;
    };
    const before = await mixture("before", ["math"], 0.05);
    const edited = await mixture("edited", ["math", "sql"], 0.05);
    const unmet = await mixture("unmet", ["math", "sql"], 2);
    const said = async (routing: GenerateRequest) => {
      const answers = [];
      for (const prompt of PROMPTS) {
        const request = { prompt, maxTokens: 12, ignoreEos: true, logprobs: 3, promptLogprobs: 3, ...routing };
        const { tokens, done } = await collect(engine, request);
        answers.push({
          tokens: tokens.map(({ id, logprob }) => ({ id, logprob })),
          prompt: done.promptLogprobs,
          trace: tokens.map(({ trace }) => trace),
        });
      }
      return answers;
    };
    const logits = (answers: Awaited<ReturnType<typeof said>>) =>
      answers.map(({ tokens, prompt }) => ({ tokens, prompt }));

    const base = await said({});
    await engine.loadMixture("edits", before);
    const first = await said({ mixture: "edits", trace: true });
    assert.notDeepEqual(logits(first), logits(base), "no token met a key");
    const names = new Set(first.flatMap(({ trace }) => trace.flatMap((t) => t!.flatMap(({ experts }) => experts))));
    assert.deepEqual([...names].sort(), ["base", "math"]);

    await engine.loadMixture("edits", edited);
    assert.notDeepEqual(logits(await said({ mixture: "edits" })), logits(first), "the edit did nothing");
    await engine.loadMixture("edits", before);
    await engine.unloadAdapter("sql");
    assert.deepEqual(await said({ mixture: "edits", trace: true }), first);

    await engine.loadMixture("edits", unmet);
    assert.deepEqual(logits(await said({ mixture: "edits" })), logits(base));
    await engine.unloadMixture("edits");
    assert.deepEqual(logits(await said({})), logits(base));
  } finally {
    await engine.close();
    await rm(folder, { recursive: true });
  }
});
