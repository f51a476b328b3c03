// Constants that setup/build_kernels.mjs gives the compiler, for editors.

/** 1: relaxed SIMD is there. */
declare const RELAXED: i32;
