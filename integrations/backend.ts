// The backend of a framework's model: an embedded engine or a client of a server, and the names it knows.

import type { GenerateOptions, GenerateRequest, GenerationEvent, Routing } from "../proto/api.ts";
import { MoloraError } from "../proto/errors.ts";

/** An adapter or a mixture, as an engine or a server lists it. */
export interface Named {
  name: string;
}

/** An `Engine` in this process, or a `MoloraClient` of another. */
export type Backend = {
  generate(request: GenerateRequest, options?: GenerateOptions): AsyncIterable<GenerationEvent>;
} & (
  | { listAdapters(): Named[]; listMixtures(): Named[] }
  | { adapters(): Promise<Named[]>; mixtures(): Promise<Named[]> }
);

/**
 * The routing that a model's name means: `base`, an adapter's or a mixture's name, or either after a base's name and a
 * colon, as the server lists them (`nano:math`).
 *
 * @throws MoloraError `unknown_model`.
 */
export async function routingOf(backend: Backend, model: string): Promise<Routing> {
  const name = model.slice(model.lastIndexOf(":") + 1);
  if (name === "base") return {};
  const local = "listAdapters" in backend;
  const adapters = local ? backend.listAdapters() : await backend.adapters();
  if (adapters.some((adapter) => adapter.name === name)) return { adapter: name };
  const mixtures = local ? backend.listMixtures() : await backend.mixtures();
  if (mixtures.some((mixture) => mixture.name === name)) return { mixture: name };
  const known = ["base", ...[...adapters, ...mixtures].map((named) => named.name)];
  throw new MoloraError("unknown_model", `no adapter or mixture is named ${JSON.stringify(name)}`, {
    remedy: `The names are: ${known.join(", ")}.`,
    details: { known },
  });
}
