// A loaded adapter as merging takes it, factors and scales out of the runs that the pool takes; and what merging made as the
// folder that is loaded.

import { refuseExperts } from "../../composition/experts.ts";
import { isFactorwise, type MergeMethod } from "../../composition/merge/options.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { writePeftAdapter } from "../../files/lora/peft_write.ts";
import { MemoryFolder } from "../../files/source.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type PackedAdapter, unpackAdapterLayer } from "./pack_adapter.ts";

/**
 * Runs have the scale in B already. A method that works on A and B apart must know it: it is the adapter's one scale.
 *
 * @throws MoloraError `bad_arguments` where such a method meets an adapter of several scales
 */
export function mergeable(packed: PackedAdapter, method: MergeMethod): Adapter {
  const { runs, dtype: _d, columns: _c, rank4: _r, experts, ...rest } = packed;
  const { name, report } = rest;
  if (experts) refuseExperts(name);
  const [scale] = report.scales;
  if (report.scales.length !== 1 && isFactorwise(method)) {
    throw new MoloraError("bad_arguments", `"${name}" has several scales, and ${method} merges A and B apart`, {
      remedy: "Merge its folder with molora merge, or take cat, svd or one of the *_svd methods.",
    });
  }
  const layers = runs.map((_, layer) =>
    Object.fromEntries(
      Object.entries(unpackAdapterLayer(packed, layer)).map(([module, lora]) => [
        module,
        isFactorwise(method) && scale !== 0 ? { ...lora, scale, b: lora.b.map((value) => value / scale) } : lora,
      ]),
    ),
  );
  return { ...rest, layers };
}

/** The PEFT folder of a merge, in memory: its hash is that of such a folder's files. */
export function mergedFolder(name: string, layers: Adapter["layers"], config: ModelConfig): MemoryFolder {
  const files = writePeftAdapter({ layers }, config);
  const bytes = new Map([
    ["adapter_config.json", new TextEncoder().encode(files.config)],
    ["adapter_model.safetensors", files.safetensors],
  ]);
  return new MemoryFolder(name, bytes);
}
