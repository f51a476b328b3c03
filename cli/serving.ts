// A server from its opening to its end: a signal, or the engine's own.

import type { MoloraError } from "../proto/errors.ts";
import type { ServedEngine } from "../server/http/serve.ts";
import type { Output } from "./terminal/output.ts";

export interface Serving {
  engine: { readonly ended: Promise<MoloraError> };
  server: Pick<ServedEngine, "running" | "close">;
  output: Pick<Output, "note">;
  /** Aborted when somebody wants the server to end. */
  signal: AbortSignal;
  /** Milliseconds that running requests have then. */
  drainMs: number;
  /** Whether the end of the engine is the end of the server. */
  exitOnFailure: boolean;
}

/** Closes the server when it is time. @throws MoloraError what ended the engine, with `exitOnFailure`. */
export async function serveUntilEnd({
  engine,
  server,
  output,
  signal,
  drainMs,
  exitOnFailure,
}: Serving): Promise<void> {
  let failed: MoloraError | undefined;
  const failure = engine.ended.then((error) => {
    const { code, message, remedy } = error;
    if (code === "engine_closed") return; // by who called this, afterwards
    failed = error;
    output.note(`the engine ended: error[${code}]: ${message}${remedy === undefined ? "" : `. ${remedy}`}`);
  });
  await Promise.race([aborted(signal), ...(exitOnFailure ? [failure] : [])]);
  const running = server.running;
  const drains = running > 0 && drainMs > 0 && failed === undefined;
  output.note(
    drains ? `closing: ${running} running, given ${drainMs / 1000} s to end; again to end at once` : "closing",
  );
  await server.close({ drainMs: drains ? drainMs : 0 });
  if (failed !== undefined && exitOnFailure) throw failed;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
