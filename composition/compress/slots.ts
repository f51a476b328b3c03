// The matrices that a set of adapters extends, and what each of them adds there.

import { LORA_MODULES, type LoraModuleName } from "../../files/families/modules.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { MoloraError } from "../../proto/errors.ts";
import { deltaOf } from "../deltas.ts";
import { refuseExperts } from "../experts.ts";
import type { Factored } from "../linear/factored.ts";

/**
 * One matrix of the base, and what each adapter adds to it; undefined where it adds nothing. Worked out whenever it is asked
 * for: those of all matrices at once would be twice the adapters' bytes.
 */
export interface Slot {
  layer: number;
  module: LoraModuleName;
  readonly deltas: (Factored | undefined)[];
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
      const loras = adapters.map(({ layers }) => layers[layer][module]);
      if (loras.some((lora) => lora?.rows !== undefined || lora?.unsettled !== undefined))
        throw notLowRank(layer, module);
      if (loras.every((lora) => lora === undefined)) return [];
      return [
        {
          layer,
          module,
          get deltas() {
            return loras.map((lora) => lora && deltaOf(lora));
          },
        },
      ];
    }),
  );
}

function notLowRank(layer: number, module: LoraModuleName): MoloraError {
  return new MoloraError("adapter_unsupported", `layers.${layer}.${module} has DoRA's magnitudes or a trained bias`, {
    remedy: "Compress plain LoRA only, and serve this adapter beside the set.",
  });
}
