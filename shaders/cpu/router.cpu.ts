// A router run in the pool, from its address (vec4 units): the twin of routing/router.wgsl, which says what lies where.
//   0: kind, experts E, top k, gate rule (0 unit, 1 softmax)      1: temperature, width, memory, default expert
//   2: offsets of fc1 (or prototypes, keys), b1 (or centre), fc2, b2   3: offset of experts, of ranges, number of ranges

export const MLP: i32 = 1;
export const ARROW: i32 = 2;
export const UNIFORM: i32 = 3;
export const VOCABULARY: i32 = 4;
export const KEYS: i32 = 5;
/** Logit of an expert that cannot be chosen. */
export const NEVER: f32 = -1.0e30;

@unmanaged
export class Router {
  kind: f32;
  experts: f32;
  top_k: f32;
  soft: f32;
  temperature: f32;
  width: f32;
  memory: f32;
  default_expert: f32;
  fc1: f32;
  b1: f32;
  fc2: f32;
  b2: f32;
  experts_at: f32;
  ranges_at: f32;
  ranges: f32;
  /** Whether fc1 lies in panels of 8 rows (formats/q8_0.cpu.ts); else as rows of f32. */
  bytes: f32;
}

@inline
export function routerAt(pool: usize, address: i32): Router {
  return changetype<Router>(pool + (<usize>address << 4));
}

/** Where what lies `offset` vec4s behind the router begins. */
@inline
export function behind(router: Router, offset: f32): usize {
  return changetype<usize>(router) + (<usize>offset << 4);
}
