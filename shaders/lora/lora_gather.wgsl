// Semantics: lora_delta4(t, m, row)[i] = Σ_j B[table[t, j]][m][row + i, :] · shrunk[t, j, m, :], row a multiple of 4
// (gates are in `shrunk`, scales in B).
// Adapter run at `address` (vec4 units): 8 headers (offset of A, offset of B, rank4, rank), then the matrices.
// Offsets may be negative: factors that several adapters share lie in a run of their own. B rows are zero-padded to rank4 vec4s. A module the adapter lacks has rank4 = 0.
@group(0) @binding(LORA_BINDING) var<storage, read> table: array<Entry>;         // [T, ENTRIES]
@group(0) @binding(LORA_BINDING + 1) var<storage, read> shrunk: array<vec4f>;    // [T, ENTRIES, GROUP, RANK4]

fn lora_delta4(token: u32, member: u32, row: u32) -> vec4f {
  var sum = vec4f(0.0);
  for (var j = 0u; j < step.entries; j++) {
    let entry = table[token * ENTRIES + j];
    if (entry.expert == NO_EXPERT) { break; }
    if (entry.address == 0u) { continue; }
    let header = adapter(entry.address + MODULE0 + member);
    let rank4 = u32(header.z);
    let b = u32(i32(entry.address) + i32(header.y)) + row * rank4;
    let h = ((token * ENTRIES + j) * GROUP + member) * RANK4;
    var part = vec4f(0.0);
    for (var r = 0u; r < rank4; r++) {
      let at = b + r;
      let rows = mat4x4f(adapter(at), adapter(at + rank4), adapter(at + 2u * rank4), adapter(at + 3u * rank4));
      part = add_rows(part, rows, shrunk[h + r]);
    }
    sum += part;
  }
  return sum;
}
