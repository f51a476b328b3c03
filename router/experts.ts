// Whether an adapter is the one a mixture's expert means, and what a loaded mixture is reported as.
// It knows nothing of paths: the adapter found under the expert's path is given.

import type { Adapter } from "../files/lora/adapter.ts";
import type { MixtureReport } from "../proto/api.ts";
import { MoloraError } from "../proto/errors.ts";
import type { Mixture, MixtureExpert } from "./mixture.ts";

/** Raises `mixture_invalid` where one is there without the other, `checksum_mismatch` for another generation. */
export function checkExpert(expert: MixtureExpert, adapter: Adapter | undefined): void {
  if ((expert.adapter === undefined) !== (adapter === undefined)) {
    const message =
      adapter === undefined
        ? `expert "${expert.name}" needs its adapter ${expert.adapter}`
        : `expert "${expert.name}" takes no adapter`;
    throw new MoloraError("mixture_invalid", message);
  }
  if (expert.sha256 === undefined || adapter === undefined || expert.sha256 === adapter.hash) return;
  throw new MoloraError("checksum_mismatch", `expert "${expert.name}": its adapter is not the one the mixture names`, {
    remedy: "Fetch the adapter the router was trained with, or train the router again for this one.",
    details: { expected: expert.sha256, found: adapter.hash },
  });
}

/** `bytes`: what the router takes on the device, its experts' adapters apart. */
export function reportMixture(mixture: Mixture): MixtureReport {
  const { name, hash, router, experts } = mixture;
  return {
    name,
    hash,
    router: router.type,
    experts: experts.map((expert) => expert.name),
    bytes: routerBytes(mixture),
  };
}

function routerBytes({ router, experts, baseModel }: Mixture): number {
  if (router.type === "arrow") return 4 * experts.length * baseModel.hiddenSize * baseModel.numLayers;
  if (router.type !== "mlp") return 0;
  const arrays = router.layers.flatMap((gate) => [gate.fc1Weight, gate.fc1Bias, gate.fc2Weight, gate.fc2Bias]);
  return arrays.reduce((sum, array) => sum + array.byteLength, 0);
}
