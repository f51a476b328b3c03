// The matrices that a set of adapters extends, and what each of them adds there.

import { LORA_MODULES, type LoraModuleName } from "../../files/families/modules.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { MoloraError } from "../../proto/errors.ts";
import { deltaOf } from "../deltas.ts";
import { refuseExperts } from "../experts.ts";
import type { Factored } from "../linear/factored.ts";

/** One matrix of the base, and what each adapter adds to it; undefined where it adds nothing. */
export interface Slot {
  layer: number;
  module: LoraModuleName;
  deltas: (Factored | undefined)[];
}

/**
 * In the order of layers and modules; matrices that no adapter extends are left out.
 *
 * @throws MoloraError `adapter_unsupported` for DoRA and trained biases, which no pair of factors can say, and for LoRA on the
 * base's own experts
 */
export function slotsOf(adapters: readonly Pick<Adapter, "name" | "layers" | "experts">[]): Slot[] {
  for (const { name, experts } of adapters) if (experts !== undefined) refuseExperts(name);
  return adapters[0].layers.flatMap((_, layer) =>
    LORA_MODULES.flatMap((module): Slot[] => {
      const deltas = adapters.map(({ layers }) => {
        const lora = layers[layer][module];
        if (lora?.rows !== undefined || lora?.unsettled !== undefined) throw notLowRank(layer, module);
        return lora && deltaOf(lora);
      });
      return deltas.some((delta) => delta !== undefined) ? [{ layer, module, deltas }] : [];
    }),
  );
}

function notLowRank(layer: number, module: LoraModuleName): MoloraError {
  return new MoloraError("adapter_unsupported", `layers.${layer}.${module} has DoRA's magnitudes or a trained bias`, {
    remedy: "Compress plain LoRA only, and serve this adapter beside the set.",
  });
}
