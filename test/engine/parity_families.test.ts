// A tiny random model of every family with its adapters and a mixture against transformers and PEFT: on the CPU, and two of
// them on the GPU (parity_families_gpu.slow.test.ts has the others).

import { readdirSync } from "node:fs";
import { checkFamily, FAMILY_MODELS, ON_GPU_ALWAYS } from "./families.ts";

for (const name of readdirSync(FAMILY_MODELS)) {
  checkFamily(name, ON_GPU_ALWAYS.includes(name) ? ["cpu", "gpu"] : ["cpu"]);
}
