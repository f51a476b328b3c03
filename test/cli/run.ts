// Runs the built command line as a person does, in a process of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** `molora ARGS`; its input is `input`. */
export async function molora(args: string[], input = ""): Promise<Ran> {
  const child = start(args);
  child.stdin!.end(input);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, "close")]);
  return { code, stdout, stderr };
}

/** The same, left running; `more`: further variables of its environment. */
export function start(args: string[], more: NodeJS.ProcessEnv = {}): ChildProcess {
  const { NO_COLOR: _, FORCE_COLOR: __, ...env } = process.env;
  return spawn(process.execPath, ["bin/molora.mjs", ...args], {
    env: { ...env, ...more },
    stdio: ["pipe", "pipe", "pipe"],
  });
}

/** What `--json` printed: one value and nothing else. */
export function json<T>({ stdout }: Ran): T {
  return JSON.parse(stdout) as T;
}
