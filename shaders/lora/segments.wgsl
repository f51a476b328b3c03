// Semantics: sorts the table's entries by adapter (stable) and cuts each adapter's run into tiles of at most TILE entries.
// Shapes: table [T, ENTRIES]; order [N] = t · ENTRIES + j; tiles [bound] = (address, first in order, length, -);
// tile_count [1]. N = T · step.entries <= SORT. Entries without an adapter sort last and belong to no tile.
// One workgroup. An entry's place is counted, not exchanged: no barrier per stage, and ties keep their order.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> table: array<Entry>;
@group(0) @binding(2) var<storage, read_write> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> tiles: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> tile_count: array<u32>;

const THREADS = 256u;
const NOWHERE = 0xffffffffu;
var<workgroup> keys: array<u32, SORT>;
var<workgroup> starts: array<u32, SORT>;   // by place: where the place's adapter begins; NOWHERE past the last adapter
var<workgroup> cuts: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
  let count = step.tokens * step.entries;
  for (var i = lane; i < count; i += THREADS) {
    let token = i / step.entries;
    let entry = table[token * ENTRIES + i % step.entries];
    keys[i] = select(entry.address, NOWHERE, entry.address == 0u || ended(token, i % step.entries));
  }
  workgroupBarrier();
  for (var i = lane; i < count; i += THREADS) {
    let key = keys[i];
    var less = 0u;
    var equal_before = 0u;
    for (var n = 0u; n < count; n++) {
      less += select(0u, 1u, keys[n] < key);
      equal_before += select(0u, 1u, keys[n] == key && n < i);
    }
    let place = less + equal_before;
    order[place] = (i / step.entries) * ENTRIES + i % step.entries;
    starts[place] = select(less, NOWHERE, key == NOWHERE);
  }
  storageBarrier();
  workgroupBarrier();

  let share = (count + THREADS - 1u) / THREADS;
  var mine = 0u;
  for (var place = lane * share; place < min(count, (lane + 1u) * share); place++) {
    mine += select(0u, 1u, is_cut(place));
  }
  cuts[lane] = mine;
  workgroupBarrier();
  var tile = 0u;
  for (var n = 0u; n < lane; n++) { tile += cuts[n]; }
  for (var place = lane * share; place < min(count, (lane + 1u) * share); place++) {
    if (!is_cut(place)) { continue; }
    var length = 1u;
    while (length < TILE && place + length < count && starts[place + length] == starts[place]) { length++; }
    let at = order[place];
    tiles[tile] = vec4u(table[at].address, place, length, 0u);
    tile++;
  }
  if (lane == THREADS - 1u) { tile_count[0] = tile; }
}

fn is_cut(place: u32) -> bool {
  return starts[place] != NOWHERE && (place - starts[place]) % TILE == 0u;
}

// Whether the token's list has ended before or at entry j.
fn ended(token: u32, j: u32) -> bool {
  for (var n = 0u; n <= j; n++) {
    if (table[token * ENTRIES + n].expert == NO_EXPERT) { return true; }
  }
  return false;
}
