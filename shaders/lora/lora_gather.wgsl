// Semantics: lora_delta4(t, m, row, base)[i] = Σ_j B[table[t, j]][m][row + i, :] · shrunk[t, j, m, :]
//   + gate · (gain[row + i] · base[i] + shift[row + i]), row a multiple of 4; base: the linear layer's own output there
// (gates are in `shrunk`, scales in B).
// Adapter run at `address` (vec4 units): 8 headers (offset of A, offset of B, rank, offset of changed rows or 0), then the
// matrices, as lora/factors_*.wgsl say. B rows are zero-padded to whole vec4s. A module the adapter lacks has rank 0.
// Offsets of A and B may be negative: factors that several adapters share lie in a run of their own.
@group(0) @binding(LORA_BINDING) var<storage, read> table: array<Entry>;         // [T, ENTRIES]
@group(0) @binding(LORA_BINDING + 1) var<storage, read> shrunk: array<vec4f>;    // [T, ENTRIES, GROUP, RANK4]

const ADAPTERS_BINDING = LORA_BINDING + 2;

fn lora_delta4(token: u32, member: u32, row: u32, base: vec4f) -> vec4f {
  var sum = vec4f(0.0);
  for (var j = 0u; j < step.entries; j++) {
    let entry = table[token * ENTRIES + j];
    if (entry.expert == NO_EXPERT) { break; }
    if (entry.address == 0u) { continue; }
    let header = adapter(entry.address + MODULE0 + member);
    let rank4 = (u32(header.z) + 3u) / 4u;
    let b = u32(i32(entry.address) + i32(header.y)) + row / 4u * stride_b(rank4);
    let h = ((token * ENTRIES + j) * GROUP + member) * RANK4;
    var part = vec4f(0.0);
    for (var r = 0u; r < rank4; r++) {
      part = add_columns(part, factor_b(b, r, rank4), shrunk[h + r]);
    }
    if (header.w > 0.0) {
      let at = entry.address + u32(header.w) + row / 2u;
      part = change_rows(part, entry.gate, adapter(at), adapter(at + 1u), base);
    }
    sum += part;
  }
  return sum;
}
