// A step without adapters: no delta, no bindings.
fn lora_delta4(token: u32, member: u32, row: u32, base: vec4f) -> vec4f {
  return vec4f(0.0);
}
