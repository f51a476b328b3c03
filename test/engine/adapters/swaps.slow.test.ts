// A thousand swaps of one name under load: every stream keeps the generation that it reports, to the last token, whichever that is, and no
// old keys and values meet new weights. Texts are compared with those that each adapter gives alone.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Engine } from "../../../node/index.ts";

const NANO = "models/nano";
const ADAPTERS = ["math", "sql", "medical"];
const SWAPS = 1000;
const STREAMS = 4;
/** Swaps after which somebody asks and must get the new generation. */
const CHECK_EVERY = 10;
const ask = { prompt: "How many singers are there?", maxTokens: 5, ignoreEos: true };

test("a thousand swaps under load, from files and from bytes, checked by content", async (t) => {
  const engine = await Engine.load({ model: NANO });
  try {
    const run = async (adapter: string) => {
      let text = "";
      let tokens = 0;
      let hash: string | undefined;
      for await (const event of engine.generate({ ...ask, adapter })) {
        text += event.text;
        if (event.type === "token") tokens++;
        else hash = event.generations.find(({ kind }) => kind === "adapter")?.hash;
      }
      assert.equal(tokens, ask.maxTokens);
      return { text, hash: hash! };
    };
    const alone = new Map<string, string>();
    const files = new Map<string, Map<string, Uint8Array>>();
    for (const name of ADAPTERS) {
      await engine.loadAdapter(name, `${NANO}/adapters/${name}`);
      const { text, hash } = await run(name);
      alone.set(hash, text);
      const parts = ["adapter_config.json", "adapter_model.safetensors"];
      files.set(name, new Map(parts.map((part) => [part, readFileSync(`${NANO}/adapters/${name}/${part}`)])));
    }
    assert.equal(new Set(alone.values()).size, ADAPTERS.length);

    let generation = (await engine.loadAdapter("x", `${NANO}/adapters/math`)).hash;
    let swapping = true;
    const seen = new Map<string, number>();
    const stream = async () => {
      while (swapping) {
        const { text, hash } = await run("x");
        assert.equal(text, alone.get(hash), `generation ${hash}`);
        seen.set(hash, (seen.get(hash) ?? 0) + 1);
      }
    };
    const streams = Array.from({ length: STREAMS }, stream);
    const milliseconds: number[] = [];
    for (let i = 1; i <= SWAPS; i++) {
      const name = ADAPTERS[i % ADAPTERS.length];
      const options = { expectedGeneration: generation };
      const begun = performance.now();
      const report =
        i % 2 === 0
          ? await engine.loadFiles("x", files.get(name)!, options)
          : await engine.loadAdapter("x", `${NANO}/adapters/${name}`, options);
      milliseconds.push(performance.now() - begun);
      generation = report.hash;
      if (i % CHECK_EVERY !== 0) continue;
      const next = await Promise.race([run("x"), ...streams]);
      assert.equal(next?.hash, generation, "who asks after a swap gets the new generation");
    }
    swapping = false;
    await Promise.all(streams);
    milliseconds.sort((a, b) => a - b);
    const at = (share: number) => milliseconds[Math.floor(share * (SWAPS - 1))].toFixed(1);
    t.diagnostic(`a swap took ${at(0.5)} ms (median), ${at(0.99)} ms (p99) beside ${STREAMS} streams`);
    assert.equal(seen.size, ADAPTERS.length, "streams met every generation");
    assert.equal(engine.stats().running, 0);
  } finally {
    await engine.close();
  }
});
