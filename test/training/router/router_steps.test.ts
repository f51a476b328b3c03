// The first steps of train-router on nano, beside PyTorch's from the same start and the same texts.

import { test } from "node:test";
import { checkRouterSteps } from "./router_steps.ts";

test("20 steps on nano cost what they cost in PyTorch", async (t) => {
  const worst = await checkRouterSteps("router_nano.json", "models/nano", "models/nano/adapters");
  t.diagnostic(`largest difference of a loss: ${worst.toExponential(1)}`);
});
