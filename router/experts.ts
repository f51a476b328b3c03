// Checks that an adapter is the one a mixture's expert means, and reports a loaded mixture.
// The caller reads the adapter under the expert's path.

import type { Adapter } from "../files/lora/adapter.ts";
import type { MixtureReport } from "../proto/api.ts";
import { MoloraError } from "../proto/errors.ts";
import type { Mixture, MixtureExpert } from "./mixture.ts";

/**
 * Checks that `adapter` is the one that `expert` names.
 *
 * @throws MoloraError `mixture_invalid` where the expert names an adapter and none is given, or the reverse, or
 * an activated LoRA; `checksum_mismatch` where the adapter's content is not that which the mixture was made with.
 */
export function checkExpert(expert: MixtureExpert, adapter: Pick<Adapter, "hash" | "invocation"> | undefined): void {
  if ((expert.adapter === undefined) !== (adapter === undefined)) {
    const message =
      adapter === undefined
        ? `expert "${expert.name}" needs its adapter ${expert.adapter}`
        : `expert "${expert.name}" takes no adapter`;
    throw new MoloraError("mixture_invalid", message);
  }
  if (adapter?.invocation !== undefined) {
    throw new MoloraError(
      "mixture_invalid",
      `expert "${expert.name}" is an activated LoRA, which a prompt switches on`,
      {
        remedy: "Name it in requests, alone or in a stack; a router may choose among the other experts.",
      },
    );
  }
  if (expert.sha256 === undefined || adapter === undefined || expert.sha256 === adapter.hash) return;
  throw new MoloraError("checksum_mismatch", `expert "${expert.name}": its adapter is not the one the mixture names`, {
    remedy: "Fetch the adapter the router was trained with, or train the router again for this one.",
    details: { expected: expert.sha256, found: adapter.hash },
  });
}

/**
 * A router chooses in layers, and a sequence has one embedding and one head: those experts that have some of their own have the
 * same, as adapters of one resized base have.
 *
 * @throws MoloraError `mixture_invalid`
 */
export function checkTables(
  { experts }: Pick<Mixture, "experts">,
  adapters: readonly (Pick<Adapter, "vocabulary"> | undefined)[],
): void {
  const own = adapters.flatMap((adapter, i) =>
    adapter?.vocabulary ? [{ name: experts[i].name, ...adapter.vocabulary }] : [],
  );
  const other = own.find(({ hash }) => hash !== own[0].hash);
  if (other === undefined) return;
  throw new MoloraError(
    "mixture_invalid",
    `experts "${own[0].name}" and "${other.name}" have embeddings or output heads of their own, and not the same`,
    { remedy: "Routers choose in layers: take adapters of layers only, or of one and the same resized base." },
  );
}

/** `bytes` is what the router takes on the device, without its experts' adapters. */
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
  if (router.type === "keys") {
    return router.layers.reduce((sum, { keys, center }) => sum + keys.byteLength + center.byteLength, 0);
  }
  if (router.type === "arrow") return 4 * experts.length * baseModel.hiddenSize * baseModel.numLayers;
  if (router.type !== "mlp") return 0;
  const arrays = router.layers.flatMap((gate) => [gate.fc1Weight, gate.fc1Bias, gate.fc2Weight, gate.fc2Bias]);
  return arrays.reduce((sum, array) => sum + array.byteLength, 0);
}
