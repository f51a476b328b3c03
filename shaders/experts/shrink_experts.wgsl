// Semantics: shrunk[s, j, p, r] = gate · Σ_k A_p[expert of slot s][r, k] · x[row, k] for entry j of the slot's token t = s / USED,
// part p and rank index r; row = t where PER_TOKEN, else s. Values in [rank, 4 · rank4) are written as 0. Entries without the
// part: nothing is written.
// Shapes: table [T, ENTRIES]; x [T or T · USED, COLS] f32; shrunk [T · USED, ENTRIES, PARTS, RANK4] vec4. The run of an adapter
// with experts' parts says in its header HEADERS, second value, where their headers begin: (offset of A, offset of B, rank, 0) a
// part. A is [experts, rank, COLS], B [experts, rows, whole vec4s of ranks].
// Workgroup: a slot, an entry, a part.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> table: array<Entry>;
@group(0) @binding(2) var<storage, read> pool: array<vec4f>;
@group(0) @binding(3) var<storage, read> x: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> shrunk: array<vec4f>;

const THREADS = 64u;
const COLS4 = u32(COLS / 4);
var<workgroup> sums: array<vec4f, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let slot = group.x;
  let at = slot / USED * ENTRIES + group.y;
  for (var j = 0u; j <= group.y; j++) {
    if (table[at - group.y + j].expert == NO_EXPERT) { return; }
  }
  let address = table[at].address;
  if (address == 0u) { return; }
  let headers = u32(pool[address + HEADERS].y);
  if (headers == 0u) { return; }
  let header = pool[address + headers + PART0 + group.z];
  let rank = u32(header.z);
  if (rank == 0u) { return; }
  let matrix = address + u32(header.x) + expert_of(slot) * rank * COLS4;
  let row = select(slot, slot / USED, PER_TOKEN) * COLS4;
  let h = ((slot * ENTRIES + group.y) * PARTS + group.z) * RANK4;
  for (var block = 0u; block < (rank + 3u) / 4u; block++) {
    // Rows past the rank: the last again, dropped below.
    let r = vec4u(4u * block) + vec4u(0u, 1u, 2u, 3u);
    let rows = matrix + min(r, vec4u(rank - 1u)) * COLS4;
    var sum = vec4f(0.0);
    for (var i = lane; i < COLS4; i += THREADS) {
      let v = x[row + i];
      sum += vec4f(dot(pool[rows.x + i], v), dot(pool[rows.y + i], v), dot(pool[rows.z + i], v), dot(pool[rows.w + i], v));
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
      if (lane < half) { sums[lane] += sums[lane + half]; }
      workgroupBarrier();
    }
    if (lane == 0u) { shrunk[h + block] = select(vec4f(0.0), table[at].gate * sums[0], r < vec4u(rank)); }
    workgroupBarrier();
  }
}
