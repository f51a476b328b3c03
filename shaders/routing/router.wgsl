// A router run in the pool, from its address (vec4 units):
//   0: kind, experts E, top k, gate rule (0 unit, 1 softmax)      1: temperature, width, memory, default expert
//   2: offsets of fc1 (or prototypes, keys), b1 (or centre), fc2, b2   3: offset of experts, of ranges, number of ranges
//   experts: E × (adapter address, has a prototype or key, threshold, -)   ranges: (from, to, expert, -), to exclusive
// Memory: mlp 1 with belief, else 0; keys: the share of the cosines before that is kept, 0 for each token alone.
// fc2 rows are padded with zeros to whole vec4s, as are the biases. All numbers are exact as f32.
const MLP = 1u;
const ARROW = 2u;
const UNIFORM = 3u;
const VOCABULARY = 4u;
const KEYS = 5u;
const NEVER = -1.0e30;  // logit of an expert that cannot be chosen
