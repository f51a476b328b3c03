// Marks in the structs of a step (step.ts writes their WGSL ahead of this).
const ON_DEVICE = 0xffffffffu;
const NO_EXPERT = 0xffffffffu;
