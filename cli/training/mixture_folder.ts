// Writes a mixture folder: mixture.json with its experts' paths relative to it, and the router's tensors.

import { mkdir, writeFile } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import type { ModelConfig } from "../../files/families/config.ts";
import { isHubReference } from "../../node/hub/reference.ts";
import { MIXTURE_FILE, ROUTER_FILE } from "../../router/format.ts";
import type { Mixture, Router } from "../../router/mixture.ts";
import { writeMixture } from "../../router/write.ts";

/** An expert and where its PEFT folder is, here or on a hub. Without a folder, the expert adds nothing. */
export interface WrittenExpert {
  name: string;
  adapter?: { path: string; sha256: string };
}

export async function writeMixtureFolder(
  folder: string,
  { architecture, hiddenSize, numLayers }: ModelConfig,
  experts: readonly WrittenExpert[],
  router: Router,
): Promise<void> {
  const written = experts.map(({ name, adapter }): Mixture["experts"][number] => ({
    name,
    adapter: adapter && pathFrom(folder, adapter.path),
    sha256: adapter?.sha256,
  }));
  const baseModel = { architecture, hiddenSize, numLayers };
  const { json, safetensors } = writeMixture({ baseModel, experts: written, router });
  await mkdir(folder, { recursive: true });
  if (safetensors !== undefined) await writeFile(join(folder, ROUTER_FILE), safetensors);
  await writeFile(join(folder, MIXTURE_FILE), json);
}

function pathFrom(folder: string, path: string): string {
  return isHubReference(path) ? path : relative(resolve(folder), resolve(path)).split(sep).join("/");
}
