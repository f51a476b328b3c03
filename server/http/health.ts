// What a probe is told: whether this port takes requests, and if not, why.

import type { MoloraError } from "../../proto/errors.ts";
import type { Profile } from "../profiles.ts";

export interface Health {
  /** `draining`: the server is closing. `failed`: the engine ended and does not come back. */
  status: "ok" | "draining" | "failed";
  model: string;
  running: number;
  waiting: number;
  /** Why it is not `ok`. */
  error?: MoloraError;
}

/** Of several profiles: the sums, the first that is not well, and each by itself. */
export interface HealthOfAll extends Health {
  profiles?: Health[];
}

/** The HTTP status is 200, or 503 where a profile takes no requests. */
export function health(profiles: readonly Profile[]): [number, HealthOfAll] {
  const each = profiles.map(healthOf);
  const worst = each.find(({ status }) => status !== "ok") ?? each[0];
  const status = worst.status === "ok" ? 200 : 503;
  if (each.length === 1) return [status, worst];
  const sum = (name: "running" | "waiting") => each.reduce((total, one) => total + one[name], 0);
  return [status, { ...worst, running: sum("running"), waiting: sum("waiting"), profiles: each }];
}

function healthOf({ engine, base, closed }: Profile): Health {
  const { running, waiting } = engine?.stats() ?? { running: 0, waiting: 0 };
  if (closed === undefined) return { status: "ok", model: base, running, waiting };
  const status = engine?.closed === undefined ? "draining" : "failed";
  return { status, model: base, running, waiting, error: closed };
}
