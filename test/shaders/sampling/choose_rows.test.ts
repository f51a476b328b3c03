// Rows of logits that another head's replace, and those that stay as they are.

import assert from "node:assert/strict";
import { allocateFrom } from "../../../engine/device/device.ts";
import { launch } from "../../../shaders/kernel.ts";
import { chooseRows } from "../../../shaders/sampling/choose_rows.ts";
import { onEachDevice, randomFloats, run } from "../device.ts";
import { Output } from "../outputs.ts";
import { stepShape } from "../step_case.ts";

onEachDevice("choose_rows: taken rows to the last bit, the others untouched", async (device) => {
  for (const vocab of [1, 255, 257, 1000]) {
    const taken = Uint32Array.of(0, 1, 1, 0, 7);
    const [own, others] = [randomFloats(5 * vocab, 1), randomFloats(5 * vocab, 2)];
    const logits = new Output(device, 5 * vocab, own);
    const views = { taken: allocateFrom(device, "taken", taken), others: allocateFrom(device, "others", others) };
    await run(device, [launch(chooseRows, { vocab }, { ...views, logits: logits.view })], stepShape({ rows: 5 }));
    const expected = own.map((value, i) => (taken[Math.floor(i / vocab)] ? others[i] : value));
    assert.deepEqual(await logits.read(), expected);
  }
});
