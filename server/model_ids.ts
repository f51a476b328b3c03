// What OpenAI's clients call what a request uses: the base by its own name, adapters and mixtures as `base:name`.

import type { Routing } from "../proto/api.ts";

/** Of the adapters or the mixture of a request; none where it is the base alone. */
export function modelIds(base: string, { adapter, adapters = [], mixture }: Routing): string[] {
  const names = [adapter, mixture, ...adapters.map(({ id }) => id)];
  return names.flatMap((name) => (name === undefined ? [] : [`${base}:${name}`]));
}
