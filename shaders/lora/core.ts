// The core of compressed adapters, between A's side and B's: a small matrix on the rank's vector. See core.wgsl.

import type { Kernel } from "../kernel.ts";
import { type LoraShape, shapeConstants } from "./lora_form.ts";

export const core: Kernel<LoraShape> = {
  name: "core",
  constants: shapeConstants,
  wgsl: ({ rows }) => ({
    text: "lora/core",
    bindings: { step: "uniform", table: "read", pool: "read", shrunk: "read_write" },
    fragments: [{ texts: ["lora/add_rows"] }],
    grid: ({ tokens, entries }) => [tokens, entries, rows.length],
  }),
  cpu: ({ rows }) => [{ body: "core", items: ({ tokens, entries }) => tokens * entries * rows.length }],
};
