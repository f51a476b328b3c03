// Semantics: losses[r] = logsumexp(logits[r]) − logits[r, label];  logits[r] ← weight · (softmax(logits[r]) − onehot)
// Shapes: rows [R]; logits [R, VOCAB] f32 becomes its own gradient; losses [R].
// One workgroup a row. A row of weight 0 leaves zeros.
@group(0) @binding(0) var<storage, read> rows: array<LossRow>;
@group(0) @binding(1) var<storage, read_write> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> losses: array<f32>;

const WORKGROUP = 64u;
var<workgroup> partial: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = rows[group.x];
  let at = group.x * VOCAB;
  var top = -3.0e38;
  for (var i = lane; i < VOCAB; i += WORKGROUP) { top = max(top, logits[at + i]); }
  partial[lane] = top;
  workgroupBarrier();
  for (var i = 0u; i < WORKGROUP; i++) { top = max(top, partial[i]); }
  workgroupBarrier();
  var sum = 0.0;
  for (var i = lane; i < VOCAB; i += WORKGROUP) { sum += exp(logits[at + i] - top); }
  partial[lane] = sum;
  workgroupBarrier();
  sum = 0.0;
  for (var i = 0u; i < WORKGROUP; i++) { sum += partial[i]; }
  if (lane == 0u) { losses[group.x] = top + log(sum) - logits[at + row.label]; }
  storageBarrier();
  for (var i = lane; i < VOCAB; i += WORKGROUP) {
    let p = exp(logits[at + i] - top) / sum;
    logits[at + i] = row.weight * (p - select(0.0, 1.0, i == row.label));
  }
}
