// The tiny models of every family on the GPU; parity_families.test.ts has them on the CPU. Software drivers compile slowly.

import { readdirSync } from "node:fs";
import { checkFamily, FAMILY_MODELS, ON_GPU_ALWAYS } from "./families.ts";

for (const name of readdirSync(FAMILY_MODELS)) {
  if (!ON_GPU_ALWAYS.includes(name)) checkFamily(name, ["gpu"]);
}
