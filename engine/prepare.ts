// What is compiled before the first request comes, so that none waits for it. It does not know what the programs compute.

import type { EngineParts } from "./assemble.ts";
import { usualKinds } from "./model/step_kind.ts";
import type { EngineOptions } from "./options.ts";

export async function prepareUsual(parts: EngineParts, { onCompile }: EngineOptions): Promise<void> {
  const { device, forward, library } = parts;
  const { preparesAhead, tiles } = device.wishes;
  if (!preparesAhead) return;
  const offered = { adapters: library.adapters().length > 0, routers: library.mixtures().length > 0 };
  const kinds = usualKinds({ ...offered, tiles });
  // On a CPU it takes milliseconds: nothing to tell.
  await forward.prepare(kinds, device.kind === "gpu" ? onCompile : undefined);
}
