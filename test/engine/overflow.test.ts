// Numbers too large for the device's arithmetic, at every size there is: a request ends with a code, never with a silent token.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Engine } from "../../engine/engine.ts";
import { nodeHost } from "../../node/host.ts";
import type { GenerateRequest } from "../../proto/api.ts";
import { raises } from "../raises.ts";
import { collect } from "./parity.ts";

const NANO = "models/nano";
const SOUND: GenerateRequest = { prompt: "Add 2 and 3.", maxTokens: 8, ignoreEos: true, adapter: "math" };

let engine: Engine;
const idsOf = async (request: GenerateRequest) => (await collect(engine, request)).tokens.map(({ id }) => id);

before(async () => {
  engine = await Engine.load(nodeHost(), { model: NANO, adapters: { math: `${NANO}/adapters/math` } });
});
after(() => engine.close());

test("whether a sum, a square or the weight itself overflows, it is said, and who runs beside it does not notice", async () => {
  const expected = await idsOf(SOUND);
  // From squares that no f32 holds up to a weight that none holds.
  for (const weight of [1e9, 1e12, 1e15, 1e18, 1e20, 1e25, 1e30, 1e35, 1e38, 1e300]) {
    const broken: GenerateRequest = { prompt: "Add 2 and 3.", maxTokens: 8, adapters: [{ id: "math", weight }] };
    const beside = idsOf(SOUND);
    await raises("numeric_overflow", /not finite/, () => idsOf(broken));
    await raises("numeric_overflow", /not finite/, () => idsOf({ ...broken, temperature: 1, topP: 0.9, logprobs: 1 }));
    assert.deepEqual(await beside, expected, `beside a weight of ${weight}`);
  }
});

test("a temperature next to nothing is greedy", async () => {
  const greedy = await idsOf(SOUND);
  for (const temperature of [1e-300, 1e-40, 1e-30]) {
    assert.deepEqual(await idsOf({ ...SOUND, temperature, seed: 1 }), greedy, String(temperature));
  }
});
