// How the setup speaks: one line a step, so that a log reads like a story.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The checkout's root. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** A failure whose message already says what to do; printed without a stack. */
export class SetupError extends Error {}

/** On stderr: stdout belongs to what is run once the setup is done. */
export function say(line) {
  console.error(`setup: ${line}`);
}

/** Runs a command in the checkout, its output shown with ours. Gives its exit code, 127 when it cannot be started. */
export function runShown(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: ROOT, stdio: ["inherit", process.stderr, process.stderr] });
  return error === undefined ? (status ?? 1) : 127;
}

/** `2.4 s` since a `performance.now()`. */
export function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}
