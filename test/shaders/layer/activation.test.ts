// The gated MLP without adapters, SiLU and GELU; test/shaders/lora/lora.test.ts has it with them.

import { silu } from "../../../cli/check/reference/swiglu.ts";
import { allocateFrom } from "../../../engine/device/device.ts";
import { launch } from "../../../shaders/kernel.ts";
import { activation } from "../../../shaders/layer/activation.ts";
import { NO_LORA } from "../../../shaders/lora/lora_form.ts";
import { geluTanh } from "../../reference/family_facts.ts";
import { checkClose, onEachDevice, randomFloats, run } from "../device.ts";
import { Output } from "../outputs.ts";
import { stepShape, stepUniform } from "../step_case.ts";

for (const gelu of [false, true]) {
  onEachDevice(`${gelu ? "GELU" : "SiLU"} of gate times up: equals float64, far from 0 too`, async (device) => {
    for (const [ffn, tokens] of [
      [4, 1],
      [260, 3],
      [768, 17],
    ]) {
      const shape = stepShape({ tokens });
      const gateUp = randomFloats(2 * ffn * tokens, 4).map((value, i) => value * 10 ** ((i % 4) - 1));
      const x = new Output(device, ffn * tokens);
      const views = { step: stepUniform(device, shape), gate_up: allocateFrom(device, "g", gateUp), x: x.view };
      await run(device, [launch(activation, { ffn, gelu, lora: NO_LORA }, views)], shape);
      const at = (t: number, i: number) => gateUp[2 * ffn * t + i];
      const f = gelu ? geluTanh : silu;
      const expected = Array.from({ length: ffn * tokens }, (_, n) => {
        const [t, i] = [Math.floor(n / ffn), n % ffn];
        return f(at(t, i)) * at(t, ffn + i);
      });
      checkClose(await x.read(), expected, 1e-5);
    }
  });
}
