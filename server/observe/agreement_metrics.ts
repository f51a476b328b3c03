// What Prometheus is told of adapters that act at once: how far they agree in sign, and when that dropped.

import { Counter, type Registry } from "prom-client";
import type { HttpEngine } from "../port.ts";
import { labelled } from "./instruments.ts";
import { onceATurn } from "./once_a_turn.ts";

/** `engine`: the one that tells of alerts itself. */
export function registerAgreement(registry: Registry, engine: HttpEngine): void {
  const seen = onceATurn(() => engine.stats().agreement ?? []);
  const help = "Share of parameters on which adapters that act at once agree in sign, weighted by gates";
  labelled(registry, "molora_sign_agreement", `${help}, over the last tokens`, ["name", "kind"], (set) => {
    for (const { kind, name, agreement } of seen()) set({ name, kind }, agreement);
  });
  labelled(registry, "molora_sign_agreement_layer", `${help}, in each layer`, ["name", "kind", "layer"], (set) => {
    for (const { kind, name, layers } of seen()) {
      for (const [layer, value] of layers.entries()) set({ name, kind, layer: String(layer) }, value);
    }
  });
  const alerts = new Counter({
    name: "molora_sign_agreement_alerts_total",
    help: "Times that it dropped behind a new generation of an adapter",
    labelNames: ["name", "kind"],
    registers: [registry],
  });
  engine.onAlert?.(({ kind, name }) => alerts.inc({ name, kind }));
}
