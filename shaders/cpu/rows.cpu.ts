// The sums of one token over the 8 rows of a panel, as they lie in y: fewer where the matrix ends.

/** Sums of rows 0 … 3 of a token. `rows`: those that `y` has. */
@inline
export function loadLow(y: usize, rows: i32, begin: bool): v128 {
  if (begin) return f32x4.splat(0);
  if (rows >= 4) return v128.load(y);
  return loadSome(y, rows);
}

@inline
export function loadHigh(y: usize, rows: i32, begin: bool): v128 {
  if (begin) return f32x4.splat(0);
  if (rows == 8) return v128.load(y, 16);
  return loadSome(y + 16, rows - 4);
}

function loadSome(y: usize, rows: i32): v128 {
  let v = f32x4.splat(0);
  if (rows > 0) v = f32x4.replace_lane(v, 0, load<f32>(y));
  if (rows > 1) v = f32x4.replace_lane(v, 1, load<f32>(y, 4));
  if (rows > 2) v = f32x4.replace_lane(v, 2, load<f32>(y, 8));
  if (rows > 3) v = f32x4.replace_lane(v, 3, load<f32>(y, 12));
  return v;
}

/** What loadLow and loadHigh read. */
@inline
export function storeRows(y: usize, low: v128, high: v128, rows: i32): void {
  if (rows == 8) {
    v128.store(y, low);
    v128.store(y, high, 16);
  } else {
    storeSome(y, low, rows);
    storeSome(y + 16, high, rows - 4);
  }
}

function storeSome(y: usize, v: v128, rows: i32): void {
  if (rows > 0) store<f32>(y, f32x4.extract_lane(v, 0));
  if (rows > 1) store<f32>(y, f32x4.extract_lane(v, 1), 4);
  if (rows > 2) store<f32>(y, f32x4.extract_lane(v, 2), 8);
  if (rows > 3) store<f32>(y, f32x4.extract_lane(v, 3), 12);
}
