// The first steps of train-router on SmolLM2, beside PyTorch's. Skips where the base is not in the cache.

import { test } from "node:test";
import { SMOLLM2_FILE } from "../../smollm2.ts";
import { checkRouterSteps } from "./router_steps.ts";

test("20 steps on SmolLM2 cost what they cost in PyTorch", { timeout: 900_000 }, async (t) => {
  if (SMOLLM2_FILE === undefined) return t.skip("the GGUF is not in the cache; `npm run demo` fetches it");
  const worst = await checkRouterSteps("router_smollm2.json", SMOLLM2_FILE, "models/smollm2/adapters");
  t.diagnostic(`largest difference of a loss: ${worst.toExponential(1)}`);
});
