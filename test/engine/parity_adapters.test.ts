// Adapters beyond plain LoRA against PEFT: on the CPU, and one model's on the GPU (parity_adapters_gpu.slow.test.ts has the
// others).

import { readdirSync } from "node:fs";
import { ADAPTER_MODELS, checkAdapters } from "./parity_adapters.ts";

for (const name of readdirSync(ADAPTER_MODELS)) checkAdapters(name, name === "phi3" ? ["cpu", "gpu"] : ["cpu"]);
