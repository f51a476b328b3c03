// Turns Ctrl-C into an AbortSignal: the first asks a command to end well, the second ends the process.

let controller: AbortController | undefined;

/** What ends a process that is not told otherwise, with the exit code a shell gives it. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Aborted at the first of these signals after the first call; until then they end the process as usual. */
export function interruptSignal(): AbortSignal {
  if (controller === undefined) {
    const made = new AbortController();
    controller = made;
    for (const [name, exitCode] of Object.entries(SIGNALS)) {
      process.on(name, () => {
        if (made.signal.aborted) process.exit(exitCode);
        made.abort(new Error(name));
      });
    }
  }
  return controller.signal;
}
