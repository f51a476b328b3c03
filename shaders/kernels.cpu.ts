// The module of CPU kernels: what setup/build_kernels.mjs compiles. Every thread has an instance of its own.
export { activation } from "./activation.cpu";
export { attention } from "./attention.cpu";
export { setScratch } from "./cpu/scratch.cpu";
export { embed } from "./embed.cpu";
export { final_norm } from "./final_norm.cpu";
export { gate } from "./gate.cpu";
export { linear } from "./linear.cpu";
export { norm } from "./norm.cpu";
export { quantize } from "./quantize.cpu";
export { rope_kv } from "./rope_kv.cpu";
export { route } from "./route.cpu";
export { sample } from "./sample.cpu";
export { shrink } from "./shrink.cpu";
export { trace } from "./trace.cpu";
