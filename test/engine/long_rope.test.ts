// LongRoPE in a context that holds both sides of the original one. On the GPU: long_rope_gpu.slow.test.ts.

import { checkLongRope } from "./long_rope.ts";

checkLongRope("phi3-long-within", "cpu");
checkLongRope("phi3-long-beyond", "cpu");
