// SmolLM2-135M-Instruct (Q4_1 GGUF) with its adapters and mixture against transformers and PEFT on the dequantised weights.
// Skips where the file is not in the cache: `npm run demo` brings it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SMOLLM2_FILE } from "../smollm2.ts";
import { onEachHost } from "./each_device.ts";
import { checkGreedy, checkLogprobs, openEngine, readFixture } from "./parity.ts";

const SMOLLM2 = "models/smollm2";
const FOLDERS = { adapters: `${SMOLLM2}/adapters`, mixtures: `${SMOLLM2}/mixtures` };

const FILE = SMOLLM2_FILE;
if (FILE === undefined) test("SmolLM2", { skip: "the GGUF is not in the cache; `npm run demo` fetches it" });
else {
  onEachHost("SmolLM2 equals transformers and PEFT: base, four adapters, its mixture", async (device) => {
    const fixture = await readFixture("smollm2");
    const engine = await openEngine(fixture, FOLDERS, { model: FILE, activations: "f32", ...device });
    const worst = await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
    const compared = await checkGreedy(engine, fixture, fixture.uses);
    await engine.close();
    console.log(`largest error ${worst.toExponential(1)} nats; ${compared} greedy tokens compared`);
    assert.ok(compared >= 128);
  });
}
