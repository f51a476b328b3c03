// LoRA on a model's own experts and on their router, A's side and B's, on every device against float64.

import assert from "node:assert/strict";
import { expertLoraCases } from "../../../cli/check/cases/expert_lora.ts";
import { checkClose, onEachDevice } from "../device.ts";

const cases = expertLoraCases();
for (const kernel of new Set(cases.map((one) => one.kernel))) {
  onEachDevice(`${kernel} equals float64, whatever ranks, experts and lists there are`, async (device) => {
    const own = cases.filter((one) => one.kernel === kernel);
    assert.ok(own.length >= 40);
    for (const { run } of own) {
      for (const { actual, expected, tolerance } of await run(device)) checkClose(actual, expected, tolerance);
    }
  });
}
