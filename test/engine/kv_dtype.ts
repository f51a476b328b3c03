// How far log-probabilities go from float32's where keys and values are in half precision.

import assert from "node:assert/strict";
import { onEachHost } from "./each_device.ts";
import { collect, openEngine, readFixture } from "./parity.ts";

const NANO = "models/nano";
/** Of the mean over a text, and of any token, against float32 in transformers and PEFT, in nats. */
const LOSS = 1e-3;
const TOKEN = 1e-2;

export function checkLoss(devices: readonly ("cpu" | "gpu")[]): void {
  onEachHost(
    "KV in f16: the loss of nano's texts stays within the bound of float32's, alone and with adapters",
    async (device) => {
      const fixture = await readFixture("nano_q8");
      const uses = fixture.uses.filter(({ kind }) => kind === "single" || kind === "base");
      const options = { model: NANO, dtype: "f32", activations: "f32", kvDtype: "f16", ...device } as const;
      const engine = await openEngine({ ...fixture, uses }, { adapters: `${NANO}/adapters` }, options);
      let worst = 0;
      let largest = 0;
      try {
        for (const use of uses) {
          for (const row of use.rows) {
            const { ids } = fixture.prompts.find(({ name }) => name === row.prompt)!;
            const routing = use.adapter === undefined ? {} : { adapter: use.adapter };
            const { done } = await collect(engine, { ids, maxTokens: 0, promptLogprobs: 1, ...routing });
            const errors = done.promptLogprobs!.map(({ logprob }, t) => logprob - row.logprobs[t]!);
            worst = Math.max(worst, Math.abs(errors.reduce((sum, error) => sum + error, 0) / errors.length));
            largest = Math.max(largest, ...errors.map(Math.abs));
          }
        }
      } finally {
        await engine.close();
      }
      console.log(`a text's loss is off by ${worst.toExponential(1)} nats, a token's by ${largest.toExponential(1)}`);
      assert.ok(worst <= LOSS && largest <= TOKEN, `${worst} and ${largest} nats`);
      assert.ok(largest > 1e-5, "nothing was rounded");
    },
    devices,
  );
}
