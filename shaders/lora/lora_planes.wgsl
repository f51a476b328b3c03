// Semantics: lora_delta4(t, m, row, base) = Σ_j planes[j, t, first row of m + row …], over the entries that have an adapter; row a
// multiple of 4. Planes of entries without one were not written and are not read.
@group(0) @binding(LORA_BINDING) var<storage, read> table: array<Entry>;        // [T, ENTRIES]
@group(0) @binding(LORA_BINDING + 1) var<storage, read> planes: array<vec4f>;   // [ENTRIES, MAX_TOKENS, GROUP_ROWS]

fn lora_delta4(token: u32, member: u32, row: u32, base: vec4f) -> vec4f {
  let first = select(0u, select(u32(ROW_1), u32(ROW_2), member == 2u), member > 0u);
  let at = (token * GROUP_ROWS + first + row) / 4u;
  var sum = vec4f(0.0);
  for (var j = 0u; j < step.entries; j++) {
    let entry = table[token * ENTRIES + j];
    if (entry.expert == NO_EXPERT) { break; }
    if (entry.address == 0u) { continue; }
    sum += planes[j * u32(MAX_TOKENS * GROUP_ROWS / 4) + at];
  }
  return sum;
}
