// Where each adapter and mixture lies: on the device, in host memory, or where it was read from.

import type { NameReport, TierReport } from "../../proto/api.ts";
import type { Residency } from "../memory/residency.ts";
import type { Catalogue, CatalogueEntry } from "./catalogue.ts";
import type { Demand } from "./demand.ts";
import { heldBy, type LoadedGeneration } from "./generation.ts";
import type { Registry } from "./registry.ts";
import { hostBytes, type Shelf } from "./shelf.ts";

export interface TierParts {
  catalogue: Catalogue;
  registry: Registry;
  residency: Residency;
}

/** In the order of loading. */
export function nameReports(parts: TierParts): NameReport[] {
  return parts.catalogue.list().map((entry) => reportOf(entry, parts));
}

/** Of one name, whatever else has one; undefined where it stands for nothing. */
export function nameReport(name: string, parts: TierParts): NameReport | undefined {
  const entry = parts.catalogue.get(name);
  return entry && reportOf(entry, parts);
}

function reportOf({ kind, report, pinned, path }: CatalogueEntry, { registry, residency }: TierParts): NameReport {
  const { name, hash } = report;
  const known = { kind, name, hash, pinned: pinned || path === undefined };
  const generation = registry.find(name);
  if (generation === undefined) return { ...known, tier: "source", bytes: report.bytes, users: 0 };
  const tier = isPlaced(generation, residency) ? "device" : "host";
  return { ...known, tier, bytes: hostBytes(generation), users: registry.running(generation) };
}

/** Whether it has pages: a recipe where all that it holds has some. */
function isPlaced(generation: LoadedGeneration, residency: Residency): boolean {
  if (generation.kind === "recipe") return heldBy(generation).every((part) => isPlaced(part, residency));
  return residency.firstPage(generation.key) !== undefined;
}

export function tierReport(
  names: readonly NameReport[],
  { shelf, demand, residency }: { shelf: Shelf; demand: Demand; residency: Residency },
): TierReport {
  const onDevice = names.filter(({ tier }) => tier === "device").length;
  const inMemory = names.filter(({ tier }) => tier !== "source").length;
  const { waiting, loads, failures, seconds } = demand.stats;
  const { disk } = demand;
  return {
    ...(disk === undefined ? {} : { disk }),
    device: { names: onDevice, evictions: residency.evictions },
    host: {
      names: inMemory,
      bytes: shelf.bytes,
      ...(shelf.budget === undefined ? {} : { budget: shelf.budget }),
      evictions: shelf.evictions,
    },
    loads: { waiting, begun: loads, failed: failures, seconds },
  };
}
