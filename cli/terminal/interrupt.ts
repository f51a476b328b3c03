// Turns Ctrl-C into an AbortSignal: the first asks a command to end well, the second ends the process.

let controller: AbortController | undefined;

/** Aborted at the first SIGINT or SIGTERM after the first call; until then signals end the process as usual. */
export function interruptSignal(): AbortSignal {
  if (controller === undefined) {
    const made = new AbortController();
    controller = made;
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      process.on(name, () => {
        if (made.signal.aborted) process.exit(name === "SIGINT" ? 130 : 143);
        made.abort(new Error(name));
      });
    }
  }
  return controller.signal;
}
