// Adapters beyond plain LoRA against PEFT, on the CPU; parity_adapters_gpu.slow.test.ts has the GPU.

import { readdirSync } from "node:fs";
import { ADAPTER_MODELS, checkAdapters } from "./parity_adapters.ts";

for (const name of readdirSync(ADAPTER_MODELS)) checkAdapters(name, ["cpu"]);
