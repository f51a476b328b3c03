// The header of a GGUF file: metadata and the tensor directory, with hard limits on everything it claims.
// It knows nothing of models; names, types and shapes are as the file has them.

/** A metadata value. 64-bit integers are bigints, everything else numeric is a number. */
export type GgufValue = number | bigint | boolean | string | GgufValue[];
