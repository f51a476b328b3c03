// An activated LoRA with an embedding of its own: what comes before its invocation is not the base's, and is not shared with it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Engine } from "../../engine/engine.ts";
import { MemorySource } from "../../files/source.ts";
import { readFloats } from "../../files/weights/floats.ts";
import { readSafetensors } from "../../files/weights/safetensors/safetensors.ts";
import { writeSafetensors } from "../../files/weights/safetensors/safetensors_write.ts";
import { nodeHost } from "../../node/host.ts";
import { randomFloats } from "../shaders/device.ts";
import { FAMILY_MODELS } from "./families.ts";
import { collect } from "./parity.ts";

const ALORA = "test/fixtures/activated/adapters/alora";

async function withTables(): Promise<Map<string, Uint8Array>> {
  const file = new Uint8Array(readFileSync(`${ALORA}/adapter_model.safetensors`));
  const { tensors } = await readSafetensors(new MemorySource("alora", file));
  const own = await Promise.all(
    [...tensors.values()].map(async (tensor) => ({
      name: tensor.name,
      shape: tensor.shape,
      data: await readFloats(tensor),
    })),
  );
  const table = (name: string) => ({
    name: `base_model.model.${name}.weight`,
    shape: [320, 32],
    data: randomFloats(320 * 32, 5),
  });
  return new Map([
    ["adapter_config.json", new Uint8Array(readFileSync(`${ALORA}/adapter_config.json`))],
    ["adapter_model.safetensors", writeSafetensors([...own, table("model.embed_tokens"), table("lm_head")])],
  ]);
}

test("an activated LoRA's own embedding holds before its invocation too, whatever was kept of the base", async () => {
  const answers: number[][] = [];
  for (const prefixCache of [true, false]) {
    const options = { dtype: "f32", contextLength: 256, device: "cpu", prefixCache } as const;
    const engine = await Engine.load(nodeHost(), { model: `${FAMILY_MODELS}/qwen2`, ...options });
    try {
      await engine.loadFiles("late", await withTables());
      const ids = [...Array.from({ length: 40 }, (_, i) => 10 + ((i * 37) % 300)), 17, 230, 17, 9, 44];
      const request = { ids, maxTokens: 12, ignoreEos: true };
      const base = await collect(engine, request);
      const late = await collect(engine, { ...request, adapter: "late" });
      const again = await collect(engine, { ...request, adapter: "late" });
      assert.equal(late.done.usage.cachedTokens ?? 0, 0);
      assert.equal(again.done.usage.cachedTokens ?? 0, prefixCache ? 32 : 0);
      answers.push(...[base, late, again].map(({ tokens }) => tokens.map(({ id }) => id)));
    } finally {
      await engine.close();
    }
  }
  assert.deepEqual(answers.slice(0, 3), answers.slice(3));
  assert.deepEqual(answers[1], answers[2]);
  assert.notDeepEqual(answers[0], answers[1]);
});
