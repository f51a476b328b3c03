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
  gauge("molora_requests_loading", "Requests that wait for an adapter to be read", ({ loads }) => loads.waiting);
  counter("molora_loads_total", "Names that were looked for on demand", ({ loads }) => loads.begun);
  counter(
    "molora_loads_failed_total",
    "Of these, those that no source had or that could not be read",
    ({ loads }) => loads.failed,
  );
  counter("molora_load_seconds_total", "Seconds that these took", ({ loads }) => loads.seconds);
}
