// What every kernel of a step may know about the batch. Filled by engine/step/batch.ts, one write a step.

struct Step {
  tokens: u32,     // T: tokens in this step
  sequences: u32,  // S: sequences in this step
  rows: u32,       // R: rows of logits wanted
  entries: u32,    // most adapter entries any token of this step has (<= ENTRIES)
}

// Token t: x = id (or ON_DEVICE: the id sampled last for its sequence), y = position, z = sequence, w = KV cell
// (page * 16 + offset). ON_DEVICE marks an id the host has not seen yet.
const ON_DEVICE = 0xffffffffu;

struct Sequence {
  first: u32,   // its first token in this step
  count: u32,   // its tokens in this step
  start: u32,   // position of the first of them
  blocks: u32,  // where its page numbers begin in `blocks`
  row: u32,     // its row of per-sequence device state (last id, belief, counts)
  router: u32,  // address of its router in the pool (vec4 units), 0: its entries come from `fixed`
  fixed: u32,   // where its ENTRIES fixed entries begin in `fixed`
  _pad: u32,
}

// One adapter entry of a token: where the adapter lies in the layer's pool (vec4 units; 0: adds nothing), its gate as
// f32 bits, and the expert's index for the trace (NO_EXPERT: the list ends here).
struct Entry {
  address: u32,
  gate: u32,
  expert: u32,
  _pad: u32,
}
const NO_EXPERT = 0xffffffffu;
