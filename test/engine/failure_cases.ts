// Requests to the embedded nano that go well, and some that cannot.

import assert from "node:assert/strict";
import type { Engine } from "../../engine/engine.ts";
import type { GenerateRequest } from "../../proto/api.ts";
import { raises } from "../raises.ts";
import { collect } from "./parity.ts";

const NANO = "models/nano";
export const NANO_OPTIONS = {
  model: NANO,
  adapters: { math: `${NANO}/adapters/math` },
  mixtures: { default: `${NANO}/mixtures/default` },
};

export const STREAM: GenerateRequest = {
  prompt: "Tell me a story.",
  maxTokens: 40,
  ignoreEos: true,
  mixture: "default",
};
export const OTHER: GenerateRequest = { prompt: "Add 2 and 3.", maxTokens: 40, ignoreEos: true, adapter: "math" };
/** Finite as the client sends it, and too large for the sums it goes into. */
export const TOO_LARGE: GenerateRequest = {
  prompt: "Add 2 and 3.",
  maxTokens: 40,
  adapters: [{ id: "math", weight: 1e30 }],
};

export async function idsFrom(engine: Engine, request: GenerateRequest): Promise<number[]> {
  return (await collect(engine, request)).tokens.map(({ id }) => id);
}

export async function overflowEndsOnlyItsOwn(engine: Engine): Promise<void> {
  const idsOf = (request: GenerateRequest) => idsFrom(engine, request);
  const expected = await Promise.all([idsOf(STREAM), idsOf(OTHER)]);
  const beside = Promise.all([idsOf(STREAM), idsOf(OTHER)]);
  const broken = Array.from({ length: 6 }, (_, i) => ({ ...TOO_LARGE, temperature: i % 2, seed: i }));
  await Promise.all(broken.map((request) => raises("numeric_overflow", /not finite/, () => idsOf(request))));
  await raises("numeric_overflow", /not finite/, () => idsOf({ ...TOO_LARGE, maxTokens: 0, promptLogprobs: 1 }));
  await raises("numeric_overflow", /not finite/, () =>
    idsOf({ ...TOO_LARGE, temperature: 1, repetitionPenalty: 1.2, logprobs: 2 }),
  );
  assert.deepEqual(await beside, expected);
}
