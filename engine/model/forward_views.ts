// What the launches of a forward pass are bound to.

import type { ModelConfig } from "../../files/families/config.ts";
import type { KvDtype } from "../../shaders/layer/rope_kv.ts";
import type { AdapterDtype } from "../../shaders/lora/adapter_dtype.ts";
import type { View } from "../device/memory.ts";
import type { Capacity } from "./capacity.ts";
import type { InputViews } from "./inputs.ts";
import type { ModelWeights } from "./weights.ts";
import type { Workspace } from "./workspace.ts";

/** All that launches of a forward pass are bound to. */
export interface ForwardViews {
  config: ModelConfig;
  capacity: Capacity;
  kvDtype: KvDtype;
  adapterDtype: AdapterDtype;
  weights: ModelWeights;
  workspace: Workspace;
  inputs: InputViews;
  /** One view a layer: KV pages, adapters, routers. */
  pool: readonly View[];
  /** One view a layer: (cos, sin) by position. */
  rotations: readonly View[];
}
