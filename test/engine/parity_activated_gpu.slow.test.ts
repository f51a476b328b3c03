// An activated LoRA on the GPU.

import { checkActivated } from "./parity_activated.ts";

checkActivated(["gpu"]);
