// Adapters of a base's own experts, which composition knows nothing of: refused by name, so that nothing of them is left out.

import { MoloraError } from "../proto/errors.ts";

/** @throws MoloraError `adapter_unsupported` */
export function refuseExperts(name: string): never {
  throw new MoloraError(
    "adapter_unsupported",
    `"${name}" extends the base's own experts, which is not measured, merged or compressed here`,
    {
      remedy: "Stack or route it beside the others, or take LoRAs of other modules.",
      details: { adapter: name },
    },
  );
}
