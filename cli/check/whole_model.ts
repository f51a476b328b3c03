// The embedded nano's whole forward pass, as base, with an adapter and routed, against transformers and PEFT.

import { DevicePart } from "../../engine/device/part.ts";
import { Engine } from "../../engine/engine.ts";
import { nodeHost } from "../../node/host.ts";
import { openPreset } from "../../node/presets.ts";
import type { DoneEvent } from "../../proto/api.ts";
import type { Compared, KernelCase } from "./case.ts";
import { NANO_PROMPT, NANO_USES, type NanoUse } from "./nano_logprobs.ts";

/** Nats. */
const TOLERANCE = 5e-3;
const POOL_BYTES = 64 * 2 ** 20;

export function wholeModelCase(): KernelCase {
  return {
    kernel: "whole model (nano, f32 activations)",
    name: NANO_USES.map(({ name }) => name).join(", "),
    async run(device) {
      const host = { ...nodeHost(), openDevice: async () => new DevicePart(device) };
      const sizes = { poolBytes: POOL_BYTES, contextLength: 256, maxSequences: 4 };
      const engine = await Engine.load(host, { ...(await openPreset("nano")), ...sizes, activations: "f32" });
      try {
        // All of them in one batch, as a server has them.
        return (await Promise.all(NANO_USES.map((use) => compareUse(engine, use)))).flat();
      } finally {
        await engine.close();
      }
    },
  };
}

/** Log-probabilities of the prompt, then greedy tokens. */
async function compareUse(engine: Engine, { routing, logprobs, greedy }: NanoUse): Promise<Compared[]> {
  const ids: number[] = [];
  let done: DoneEvent | undefined;
  const request = { ids: [...NANO_PROMPT], maxTokens: greedy.length, promptLogprobs: 1, ignoreEos: true, ...routing };
  for await (const event of engine.generate(request)) {
    if (event.type === "token") ids.push(event.id);
    else done = event;
  }
  return [
    {
      actual: (done?.promptLogprobs ?? []).map(({ logprob }) => logprob),
      expected: logprobs,
      tolerance: TOLERANCE,
      scale: logprobs.map(() => 1),
    },
    { actual: ids, expected: greedy, tolerance: 1e-9 },
  ];
}
