// All that a reference needs to run, fetched: of a mixture its experts' adapters too.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { FetchProgress } from "../download.ts";
import { formatHubReference, type HubReference, isHubReference, parseHubReference, resolveInHub } from "./reference.ts";
import type { Pulled, Snapshots } from "./snapshot.ts";

const MIXTURE = "mixture.json";

/** The reference itself first. @throws MoloraError as Snapshots.pull */
export async function pullWhole(
  snapshots: Snapshots,
  reference: HubReference,
  progress?: FetchProgress,
): Promise<Pulled[]> {
  const pulled = await snapshots.pull(reference, progress);
  const experts: Pulled[] = [];
  const mixture = pulled.files.find(({ path }) => path.split("/").at(-1) === MIXTURE);
  if (mixture !== undefined) {
    const from = formatHubReference(pulled.pinned);
    for (const path of await expertPaths(join(pulled.path, MIXTURE))) {
      const expert = parseHubReference(isHubReference(path) ? path : resolveInHub(from, path));
      experts.push(await snapshots.pull(expert, progress));
    }
  }
  return [pulled, ...experts];
}

/** Paths of adapters as they are written. What is no mixture is refused by whoever loads it, with the reason. */
async function expertPaths(file: string): Promise<string[]> {
  const json: unknown = await readFile(file, "utf8")
    .then(JSON.parse)
    .catch(() => undefined);
  const experts = isObject(json) && Array.isArray(json.experts) ? json.experts : [];
  return [...new Set(experts.flatMap((expert) => (typeof expert?.adapter === "string" ? [expert.adapter] : [])))];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
