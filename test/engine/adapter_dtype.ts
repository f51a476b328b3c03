// How far log-probabilities go from PEFT's where the factors of adapters are narrower than float32.

import assert from "node:assert/strict";
import type { DeviceOptions } from "../../engine/host.ts";
import { collect, openEngine, readFixture, routingOf } from "./parity.ts";

const NANO = "models/nano";

/** Of the mean over a text, and of any token, in nats. The files hold halves, which f16 keeps as they are. */
const BOUNDS = {
  f16: { loss: 1e-5, token: 1e-4 },
  q8_0: { loss: 2e-3, token: 4e-2 },
  q4_0: { loss: 1e-2, token: 0.4 },
} as const;
/**
 * Of a compressed set of the tiny base, from plain adapters in f32. They change so much that 4 bits of them say something else.
 */
export const COMPRESSED = [
  ["f16", 1e-2],
  ["q8_0", 0.2],
] as const;
export const NARROW = ["f16", "q8_0", "q4_0"] as const;

export async function lossStaysNear(
  adapterDtype: (typeof NARROW)[number],
  device: Required<Pick<DeviceOptions, "device">>,
): Promise<void> {
  const fixture = await readFixture("nano_q8");
  const uses = fixture.uses.filter(({ kind }) => kind !== "base");
  assert.ok(uses.some(({ kind }) => kind === "routed"));
  const folders = { adapters: `${NANO}/adapters`, mixtures: `${NANO}/mixtures` };
  const options = { model: NANO, dtype: "f32", activations: "f32", adapterDtype, ...device } as const;
  const engine = await openEngine({ ...fixture, uses }, folders, options);
  let [worst, largest] = [0, 0];
  try {
    for (const use of uses) {
      for (const row of use.rows) {
        const { ids } = fixture.prompts.find(({ name }) => name === row.prompt)!;
        const { done } = await collect(engine, { ids, maxTokens: 0, promptLogprobs: 1, ...routingOf(use) });
        // Behind it a router may decide otherwise: it stood between two experts.
        const errors = done.promptLogprobs!.slice(0, row.safe).map(({ logprob }, t) => logprob - row.logprobs[t]!);
        if (errors.length === 0) continue;
        worst = Math.max(worst, Math.abs(errors.reduce((sum, error) => sum + error, 0) / errors.length));
        largest = Math.max(largest, ...errors.map(Math.abs));
      }
    }
  } finally {
    await engine.close();
  }
  console.log(`a text's loss is off by ${worst.toExponential(1)} nats, a token's by ${largest.toExponential(1)}`);
  const { loss, token } = BOUNDS[adapterDtype];
  assert.ok(worst <= loss && largest <= token, `${worst} and ${largest} nats`);
  if (adapterDtype !== "f16") assert.ok(largest > 1e-3, "nothing was rounded");
}
