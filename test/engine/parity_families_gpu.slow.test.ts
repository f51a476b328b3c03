// The tiny models of every family on the GPU; parity_families.test.ts has them on the CPU. Software drivers compile slowly.

import { readdirSync } from "node:fs";
import { checkFamily, FAMILY_MODELS, ON_GPU_ALWAYS, REFUSED } from "./families.ts";

for (const name of readdirSync(FAMILY_MODELS)) {
  if (!REFUSED.includes(name) && !ON_GPU_ALWAYS.includes(name)) checkFamily(name, ["gpu"]);
}
