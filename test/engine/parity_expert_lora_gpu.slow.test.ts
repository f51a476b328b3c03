// LoRA on experts and routers on the GPU.

import { readdirSync } from "node:fs";
import { checkExpertLora, EXPERT_LORA_MODELS } from "./parity_expert_lora.ts";

for (const name of readdirSync(EXPERT_LORA_MODELS)) checkExpertLora(name, ["gpu"]);
