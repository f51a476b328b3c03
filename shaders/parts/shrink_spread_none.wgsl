// Two vec4s of x from `column4` on, loaded by every lane itself. The second may lie past the row, and is not used then.
fn spread_x(token: u32, column4: u32, lane: u32) -> array<vec4f, 2> {
  let at = token * COLS4;
  return array(xf[at + column4], xf[at + min(column4 + 1u, COLS4 - 1u)]);
}
