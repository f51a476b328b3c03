// The expert of a slot, by what its token has chosen: [T · USED].
@group(0) @binding(CHOSEN_BINDING) var<storage, read> chosen: array<u32>;

fn expert_of(slot: u32) -> u32 {
  return chosen[slot];
}
