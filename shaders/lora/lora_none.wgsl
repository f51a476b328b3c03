// A step without adapters: no delta, no bindings.
fn lora_delta4(token: u32, member: u32, row: u32) -> vec4f {
  return vec4f(0.0);
}
