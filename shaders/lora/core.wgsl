// Semantics: shrunk[t, j, m, :] becomes core_m · shrunk[t, j, m, :] for entries whose adapter has cores; others stay.
// Shapes: table [T, ENTRIES]; shrunk [T, ENTRIES, GROUP, RANK4] vec4. An adapter with cores says in vec4 7 of its run where
// their headers begin, one a module: (offset of the core, 1: a matrix, 0: its diagonal). A matrix is [rank, rank4] vec4s.
// A of such an adapter is V, B is U, shared with others: Δ = U · core · V.
// Source: Compress then Serve (Gabrielsson et al. 2024, arXiv 2407.00066), section 3. Workgroup: one entry and module.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> table: array<Entry>;
@group(0) @binding(2) var<storage, read> pool: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> shrunk: array<vec4f>;

const THREADS = 32u;
const CORES = 7u;
var<workgroup> before: array<vec4f, RANK4>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let address = address_of(group.x, group.y);
  if (address == 0u) { return; }
  let cores = u32(pool[address + CORES].x);
  if (cores == 0u) { return; }
  let header = pool[address + MODULE0 + group.z];
  let rank = u32(header.z);
  let rank4 = (rank + 3u) / 4u;
  let own = pool[address + cores + MODULE0 + group.z];
  let matrix = address + u32(own.x);
  let h = ((group.x * ENTRIES + group.y) * GROUP + group.z) * RANK4;
  for (var r = lane; r < rank4; r += THREADS) { before[r] = shrunk[h + r]; }
  workgroupBarrier();
  for (var r = lane; r < rank4; r += THREADS) {
    if (own.y == 0.0) {
      shrunk[h + r] = pool[matrix + r] * before[r];
      continue;
    }
    // Rows past the rank: the last again, dropped below.
    let row = matrix + min(vec4u(4u * r) + vec4u(0u, 1u, 2u, 3u), vec4u(rank - 1u)) * rank4;
    var sum = vec4f(0.0);
    for (var k = 0u; k < rank4; k++) {
      sum = add_rows(sum, mat4x4f(pool[row.x + k], pool[row.y + k], pool[row.z + k], pool[row.w + k]), before[k]);
    }
    shrunk[h + r] = select(vec4f(0.0), sum, vec4u(4u * r) + vec4u(0u, 1u, 2u, 3u) < vec4u(rank));
  }
}

// 0 where there is none. Entries past the end of a list may hold anything.
fn address_of(token: u32, entry: u32) -> u32 {
  for (var j = 0u; j <= entry; j++) {
    if (table[token * ENTRIES + j].expert == NO_EXPERT) { return 0u; }
  }
  return table[token * ENTRIES + entry].address;
}
