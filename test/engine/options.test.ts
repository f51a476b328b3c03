// The sizes an engine settles on: what options ask for, what the device allows, what no kernel is written for.

import assert from "node:assert/strict";
import { settleSizes } from "../../engine/options.ts";
import { MoloraError } from "../../proto/errors.ts";
import { SMALL as TINY } from "../files/lora/synthetic.ts";
import { onEachDevice } from "../shaders/device.ts";

const SMALL = { ...TINY, headDim: 16 };

onEachDevice("options out of range and head sizes without kernels are refused by name", async (device) => {
  const refused = (code: string, reason: RegExp, options: object, config = SMALL) =>
    assert.throws(
      () => settleSizes({ model: "m", ...options }, config, device),
      (error) => error instanceof MoloraError && error.code === code && reason.test(error.message),
    );
  refused("unsupported_architecture", /head size of 20/, {}, { ...SMALL, headDim: 20 });
  refused("bad_arguments", /contextLength is 0/, { contextLength: 0 });
  refused("bad_arguments", /maxBatchTokens is 1\.5/, { maxBatchTokens: 1.5 });
  refused("bad_arguments", /maxSequences is 241/, { maxSequences: 241 });
});

onEachDevice("pages hold the longest sequence, and a step no more tokens than can be sorted", async (device) => {
  const sizes = settleSizes({ model: "m", poolBytes: 1, maxBatchTokens: 10_000 }, SMALL, device);
  assert.equal(sizes.contextLength, Math.min(8192, SMALL.contextLength));
  assert.ok(sizes.pages * 16 >= sizes.contextLength);
  assert.equal(sizes.capacity.tokens, 240);
});
