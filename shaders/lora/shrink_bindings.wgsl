// LoRA rows that ride along behind the base rows:
//   shrunk[t, j, m, r] = gate * sum over k of A[m][r, k] * x[t, k]
// for entry j of token t, module m of the group and rank index r; rows in [rank, 4 * rank4) are written as 0.
// Shapes: table [T, ENTRIES]; shrunk [T, ENTRIES, GROUP, 4 * RANK4] f32; xf [T, COLS] f32, whatever x is.
// Adapter run at `address` (vec4 units): 8 headers (offset of A, offset of B, rank, offset of changed rows), then the matrices;
// A is [rank, COLS] row-major, as lora/factors_*.wgsl say. Source: BGMV, Punica (Chen et al. 2023), section 4.
@group(0) @binding(5) var<storage, read> table: array<Entry>;
@group(0) @binding(7) var<storage, read_write> shrunk: array<f32>;
@group(0) @binding(8) var<storage, read> xf: array<vec4f>;

const COLS4 = u32(COLS / 4);

// What a group computes: rows [first, …) of entry j of `token`, counting rows as rank index * GROUP + module, so that
// lanes are used up to the entry's rank. Groups count tokens of the tile first, then entries, then blocks of rows.
struct ShrinkTask {
  token: u32,
  entry: u32,
  first: u32,
}

fn shrink_task(group: u32, token0: u32, rows_a_group: u32) -> ShrinkTask {
  let rest = group / TILE_TOKENS;
  return ShrinkTask(token0 + group % TILE_TOKENS, rest % step.entries, rest / step.entries * rows_a_group);
}

// Address of the adapter of a task, 0 where there is none. Entries past the end of a list may hold anything.
fn adapter_of(task: ShrinkTask) -> u32 {
  if (task.token >= token_count()) { return 0u; }
  for (var j = 0u; j <= task.entry; j++) {
    if (table[task.token * ENTRIES + j].expert == NO_EXPERT) { return 0u; }
  }
  return table[task.token * ENTRIES + task.entry].address;
}

fn store_shrunk(task: ShrinkTask, member: u32, r: u32, value: f32) {
  let at = task.token * ENTRIES + task.entry;
  shrunk[(at * GROUP + member) * (4u * RANK4) + r] = table[at].gate * value;
}
