// More whole models on the GPU, which takes minutes where a processor stands in for one.

import { onEachHost } from "./each_device.ts";
import { checkNano, checkStories } from "./parity_cases.ts";

onEachHost("embedded nano equals transformers and PEFT on the same weights", checkNano, ["gpu"]);
onEachHost("stories260K: log-probabilities and greedy tokens equal those of transformers", checkStories, ["gpu"]);
