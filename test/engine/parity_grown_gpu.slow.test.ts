// Vocabularies of other sizes on the GPU, beyond the model that the shorter tests have.

import { checkGrown, checkIds } from "./parity_grown.ts";

checkGrown("llama-biases", ["gpu"]);
checkIds(["gpu"]);
