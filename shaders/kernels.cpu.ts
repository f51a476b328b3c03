// The module of CPU kernels: what setup/build_kernels.mjs compiles. Every thread has an instance of its own.
export { setScratch } from "./cpu/scratch.cpu";
export { embed } from "./embed.cpu";
export { final_norm } from "./final_norm.cpu";
export { linear } from "./linear.cpu";
export { norm } from "./norm.cpu";
export { quantize } from "./quantize.cpu";
