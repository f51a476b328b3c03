// A router run in the pool, from its address (vec4 units):
//   0: kind, experts E, top k, gate rule (0 unit, 1 softmax)      1: temperature, width, belief (0, 1), default expert
//   2: offsets of fc1 (or prototypes), b1, fc2, b2                 3: offset of experts, of ranges, number of ranges
//   experts: E × (adapter address, has a prototype, -, -)          ranges: (from, to, expert, -), to exclusive
// fc2 rows are padded with zeros to whole vec4s, as are the biases. All numbers are exact as f32.
const MLP = 1u;
const ARROW = 2u;
const UNIFORM = 3u;
const VOCABULARY = 4u;
const NEVER = -1.0e30;  // logit of an expert that cannot be chosen
