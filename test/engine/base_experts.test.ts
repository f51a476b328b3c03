// The trace of a base that is a mixture of experts shows which of its own each token took, as transformers computes it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Engine } from "../../engine/engine.ts";
import { nodeHost } from "../../node/host.ts";
import type { TokenEvent } from "../../proto/api.ts";
import { onEachHost } from "./each_device.ts";
import { FAMILY_MODELS } from "./families.ts";

interface Expected {
  prompt: number[];
  ids: number[];
  baseExperts: { experts: number[]; gates: number[] }[][];
}

const fixture: Record<string, Expected> = JSON.parse(readFileSync("test/fixtures/families/base_experts.json", "utf8"));

async function generate(engine: Engine, request: Parameters<Engine["generate"]>[0]): Promise<TokenEvent[]> {
  const events: TokenEvent[] = [];
  for await (const event of engine.generate(request)) if (event.type === "token") events.push(event);
  return events;
}

for (const [name, { prompt, ids, baseExperts }] of Object.entries(fixture)) {
  onEachHost(`${name}: the experts of each token in every layer, and their weights`, async (device) => {
    const engine = await Engine.load(nodeHost(), { model: `${FAMILY_MODELS}/${name}`, dtype: "f32", ...device });
    const request = { ids: prompt, maxTokens: ids.length, ignoreEos: true, temperature: 0 };
    try {
      const events = await generate(engine, { ...request, trace: true });
      assert.deepEqual(
        events.map(({ id }) => id),
        ids,
      );
      for (const [t, layers] of baseExperts.entries()) {
        const found = events[t].baseExperts!;
        assert.deepEqual(
          found.map(({ experts }) => experts),
          layers.map(({ experts }) => experts),
          `token ${t}`,
        );
        for (const [i, { gates }] of layers.entries()) {
          for (const [k, gate] of gates.entries()) assert.ok(Math.abs(found[i].gates[k] - gate) < 1e-4);
        }
      }
      assert.ok(
        (await generate(engine, request)).every((event) => event.baseExperts === undefined),
        "not asked for",
      );
    } finally {
      await engine.close();
    }
  });
}
