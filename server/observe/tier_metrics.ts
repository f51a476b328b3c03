// What Prometheus is told of adapters' tiers: what lies where, what gave way, and loads on demand.

import { Counter, Gauge, type Registry } from "prom-client";
import type { TierReport } from "../../proto/api.ts";

export function registerTiers(registry: Registry, tiers: () => TierReport): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: (report: TierReport) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read(tiers()));
      },
    });
  const counter = (name: string, help: string, read: (report: TierReport) => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read(tiers()));
      },
    });
  gauge("molora_names_device", "Adapters and mixtures in device pages", ({ device }) => device.names);
  gauge("molora_names_host", "Adapters and mixtures in host memory", ({ host }) => host.names);
  gauge("molora_host_cache_bytes", "Bytes of host memory they take", ({ host }) => host.bytes);
  counter("molora_host_evictions_total", "Adapters and mixtures that left host memory", ({ host }) => host.evictions);
  gauge("molora_disk_cache_bytes", "Bytes of fetched files on the disk", ({ disk }) => disk?.bytes ?? 0);
  gauge("molora_disk_cache_files", "Fetched files on the disk", ({ disk }) => disk?.files ?? 0);
  counter("molora_disk_cache_hits_total", "Files that were found on the disk", ({ disk }) => disk?.hits ?? 0);
  counter("molora_disk_cache_misses_total", "Files that were not, and fetched", ({ disk }) => disk?.misses ?? 0);
  counter(
    "molora_disk_cache_damaged_total",
    "Of these, the ones that were there and not whole",
    ({ disk }) => disk?.damaged ?? 0,
  );
  counter("molora_disk_cache_evictions_total", "Files that gave way to others", ({ disk }) => disk?.evictions ?? 0);
  gauge("molora_requests_loading", "Requests that wait for an adapter to be read", ({ loads }) => loads.waiting);
  counter("molora_loads_total", "Names that were looked for on demand", ({ loads }) => loads.begun);
  counter(
    "molora_loads_failed_total",
    "Of these, those that no source had or that could not be read",
    ({ loads }) => loads.failed,
  );
  counter("molora_load_seconds_total", "Seconds that these took", ({ loads }) => loads.seconds);
}
