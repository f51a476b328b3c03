// What a probe is told: whether this port takes requests, and if not, why.

import type { MoloraError } from "../../proto/errors.ts";
import type { EnginePort } from "../port.ts";

export interface Health {
  /** `draining`: the server is closing. `failed`: the engine ended and does not come back. */
  status: "ok" | "draining" | "failed";
  model: string;
  running: number;
  waiting: number;
  /** Why it is not `ok`. */
  error?: MoloraError;
}

/** `closed`: why no request is taken, if so. The HTTP status is 200 or 503. */
export function health(engine: EnginePort, model: string, closed: MoloraError | undefined): [number, Health] {
  const { running, waiting } = engine.stats();
  if (closed === undefined) return [200, { status: "ok", model, running, waiting }];
  const status = engine.closed === undefined ? "draining" : "failed";
  return [503, { status, model, running, waiting, error: closed }];
}
