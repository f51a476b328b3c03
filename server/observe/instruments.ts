// Instruments whose values are read at the moment Prometheus asks, and the buckets of those that collect seconds.

import { Counter, Gauge, type Registry } from "prom-client";
import type { EngineStats } from "../../proto/api.ts";

export const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

type Read = (stats: EngineStats) => number;
type Register = (name: string, help: string, read: Read) => void;

/** Makes gauges and counters of the engine's counts. */
export function counts(
  registry: Registry,
  stats: () => EngineStats,
  labels: Readonly<Record<string, string>> = {},
): { gauge: Register; counter: Register } {
  const shared = { registers: [registry], labelNames: Object.keys(labels) };
  return {
    gauge(name, help, read) {
      new Gauge({
        name,
        help,
        ...shared,
        collect() {
          this.set(labels, read(stats()));
        },
      });
    },
    counter(name, help, read) {
      new Counter({
        name,
        help,
        ...shared,
        collect() {
          this.reset();
          this.inc(labels, read(stats()));
        },
      });
    },
  };
}

type Set = (labels: Record<string, string>, value: number) => void;

/** A gauge whose labels come and go with what is loaded. */
export function labelled(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  read: (set: Set) => void,
): void {
  new Gauge({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      read((labels, value) => this.set(labels, value));
    },
  });
}
