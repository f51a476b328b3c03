// Compressed adapters as the text of compressed.json and the bytes of compressed.safetensors; files/lora/compressed.ts
// reads both back. The caller puts them into a folder.

import type { ModelConfig } from "../../files/families/config.ts";
import { COMPRESSED_FORMAT, sharedHash, tensorName } from "../../files/lora/compressed.ts";
import { type WrittenTensor, writeSafetensors } from "../../files/weights/safetensors/safetensors_write.ts";
import type { CompressedAdapters, CoreKind } from "./compress.ts";

/** Of each adapter, in their order: its name, and the hash of what it was made from. */
export type Origins = readonly { name: string; sha256: string }[];

export async function writeCompressed(
  { core, factors, members }: CompressedAdapters,
  origins: Origins,
  { architecture, hiddenSize, numLayers }: Pick<ModelConfig, "architecture" | "hiddenSize" | "numLayers">,
): Promise<{ json: string; safetensors: Uint8Array }> {
  const clusters: { sha256: string }[] = [];
  for (const layers of factors) clusters.push({ sha256: await sharedHash(layers) });
  const json = {
    format: COMPRESSED_FORMAT,
    base_model: { architecture, hidden_size: hiddenSize, num_hidden_layers: numLayers },
    core,
    clusters,
    adapters: members.map(({ cluster, error }, i) => ({ ...origins[i], cluster, error })),
  };
  return {
    json: `${JSON.stringify(json, undefined, 2)}\n`,
    safetensors: writeSafetensors([...tensorsOf(factors, core, members)]),
  };
}

function* tensorsOf(
  factors: CompressedAdapters["factors"],
  kind: CoreKind,
  members: CompressedAdapters["members"],
): Generator<WrittenTensor> {
  for (const [c, layers] of factors.entries()) {
    for (const [i, layer] of layers.entries()) {
      for (const [name, { rank, u, v }] of Object.entries(layer)) {
        yield { name: tensorName("clusters", c, i, name, "u"), shape: [u.length / rank, rank], data: u };
        yield { name: tensorName("clusters", c, i, name, "v"), shape: [rank, v.length / rank], data: v };
      }
    }
  }
  for (const [n, { cores }] of members.entries()) {
    for (const [i, layer] of cores.entries()) {
      for (const [name, core] of Object.entries(layer)) {
        const rank = kind === "full" ? Math.sqrt(core.length) : core.length;
        const shape = kind === "full" ? [rank, rank] : [rank];
        yield { name: tensorName("adapters", n, i, name, "core"), shape, data: core };
      }
    }
  }
}
