// Every model of test/fixtures/adapters on the GPU.

import { readdirSync } from "node:fs";
import { ADAPTER_MODELS, checkAdapters } from "./parity_adapters.ts";

for (const name of readdirSync(ADAPTER_MODELS)) checkAdapters(name, ["gpu"]);
