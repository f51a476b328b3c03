// A tiny random model of every family and a LoRA on it against transformers and PEFT, on the CPU, and two of them on the
// GPU (parity_families_gpu.slow.test.ts has the others).

import { readdirSync } from "node:fs";
import { checkFamily, FAMILY_MODELS } from "./families.ts";

/** Between them they have every fact of a layer: norms of q and k, norms around, windows, caps, biases. */
const ON_GPU = ["gemma3", "qwen2"];

/** No kernel computes mixtures of experts. */
const REFUSED = ["olmoe", "qwen3-moe"];

for (const name of readdirSync(FAMILY_MODELS)) {
  if (!REFUSED.includes(name)) checkFamily(name, ON_GPU.includes(name) ? ["cpu", "gpu"] : ["cpu"]);
}
