// What those are told who watch requests: metrics, the log, traces. They see all of them and change none.

import type { Accepted, DoneEvent, GenerateRequest, TokenEvent } from "../../proto/api.ts";
import type { MoloraError } from "../../proto/errors.ts";
import type { Caller } from "../caller.ts";

export interface Observer {
  /** A generation was asked for. Times are milliseconds by performance.now(). */
  begin?(request: GenerateRequest, caller: Caller, now: number): Observation;
  /** Something was loaded or unloaded, or could not be. */
  acted?(act: Act, caller: Caller, error?: MoloraError): void;
}

/** One generation, until it ended. */
export interface Observation {
  accepted?(accepted: Accepted): void;
  token?(token: TokenEvent, now: number): void;
  done?(done: DoneEvent, now: number): void;
  /** Last, in any case. `outcome`: its finish reason, or the code of `error`. */
  ended?(outcome: string, now: number, error?: MoloraError): void;
}

export interface Act {
  what: "load_adapter" | "unload_adapter" | "load_mixture" | "unload_mixture";
  name: string;
}
