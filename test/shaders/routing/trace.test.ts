// The trace kernel: the entries of the rows' tokens in every layer, tables aligned as the workspace aligns them.

import assert from "node:assert/strict";
import { allocateFrom } from "../../../engine/device/device.ts";
import { launch } from "../../../shaders/kernel.ts";
import { trace } from "../../../shaders/routing/trace.ts";
import { LOGIT_ROW, tableStride } from "../../../shaders/step.ts";
import { onEachDevice, run } from "../device.ts";
import { Output } from "../outputs.ts";
import { stepShape } from "../step_case.ts";

for (const [layers, maxTokens, entries] of [
  [1, 1, 1],
  [5, 7, 3],
  [30, 80, 4],
]) {
  onEachDevice(`${layers} layers, ${maxTokens} tokens of ${entries} entries`, async (device) => {
    const stride = tableStride(maxTokens, entries);
    const table = new Uint32Array(layers * stride * 4).map((_, i) => i);
    const tokens = Array.from({ length: Math.min(maxTokens, 9) }, (_, r) => (maxTokens - 1 + 3 * r) % maxTokens);
    const rows = new Uint32Array(tokens.length * LOGIT_ROW.words).fill(9999);
    for (const [r, token] of tokens.entries()) rows[r * LOGIT_ROW.words] = token;
    const out = new Output(device, tokens.length * layers * entries * 2);
    const views = {
      rows: allocateFrom(device, "rows", rows),
      table: allocateFrom(device, "table", table),
      trace: out.view,
    };
    const shape = stepShape({
      tokens: maxTokens,
      sequences: 1,
      rows: tokens.length,
      entries,
      maxRank4: 1,
      adapters: 1,
    });
    await run(device, [launch(trace, { layers, maxTokens, entries }, views)], { ...shape, routed: true });
    const expected = tokens.flatMap((token) =>
      Array.from({ length: layers * entries }, (_, i) => {
        const at = 4 * (Math.floor(i / entries) * stride + token * entries + (i % entries));
        return [at + 2, at + 1];
      }),
    );
    assert.deepEqual([...(await out.readWords())], expected.flat());
  });
}
