// As many adapters as a measurement needs, made from the few that a model brings.

import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const DOMAINS = ["math", "sql", "medical", "code"];

/**
 * Copies of the adapters in `model`/adapters whose scales differ slightly, so that each is another generation.
 * Returns their folders in `into` by name: v0, v1, …
 */
export async function adapterVariants(model: string, count: number, into: string): Promise<Record<string, string>> {
  const adapters: Record<string, string> = {};
  for (let i = 0; i < count; i++) {
    const path = join(into, `v${i}`);
    await cp(`${model}/adapters/${DOMAINS[i % DOMAINS.length]}`, path, { recursive: true });
    const file = join(path, "adapter_config.json");
    const config = JSON.parse(await readFile(file, "utf8"));
    await writeFile(file, JSON.stringify({ ...config, lora_alpha: config.lora_alpha * (1 + i / 1000) }));
    adapters[`v${i}`] = path;
  }
  return adapters;
}
