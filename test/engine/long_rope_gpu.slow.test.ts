// LongRoPE in a context that holds both sides of the original one, on the GPU.

import { checkLongRope } from "./long_rope.ts";

checkLongRope("phi3-long-within", "gpu");
