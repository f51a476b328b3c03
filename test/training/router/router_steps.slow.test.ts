// The first steps of train-router on SmolLM2, beside PyTorch's. Skips where the base is not in the cache.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { modelDirectories } from "../../../node/cache.ts";
import { checkRouterSteps } from "./router_steps.ts";

const FILE = modelDirectories()
  .map((directory) => join(directory, "SmolLM2-135M-Instruct.Q4_1.gguf"))
  .find(existsSync);

test("20 steps on SmolLM2 cost what they cost in PyTorch", { timeout: 900_000 }, async (t) => {
  if (FILE === undefined) return t.skip("the GGUF is not in the cache; `npm run demo` fetches it");
  const worst = await checkRouterSteps("router_smollm2.json", FILE, "models/smollm2/adapters");
  t.diagnostic(`largest difference of a loss: ${worst.toExponential(1)}`);
});
