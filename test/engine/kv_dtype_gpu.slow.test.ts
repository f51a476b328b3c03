// Keys and values in half precision on the GPU.

import { checkLoss } from "./kv_dtype.ts";

checkLoss(["gpu"]);
