// `molora serve` in a process of its own, and what its metrics say.

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

export interface Served {
  url: string;
  baseUrl: string;
  /** Values of metrics by name; those with labels are left out. */
  metrics(): Promise<Map<string, number>>;
  /** Resident bytes of the process. */
  residentBytes(): number;
  /** Seconds that processors have worked for it since it started. */
  processorSeconds(): number;
  stop(): Promise<void>;
}

// Who is told to end takes the servers along.
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => process.exit(1));

/** Starts it with these flags on a free port; resolves once it answers. */
export async function startServer(flags: readonly string[], env: Record<string, string> = {}): Promise<Served> {
  const args = ["bin/molora.mjs", "serve", "--port", "0", "--json", ...flags];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const kill = () => child.kill();
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const url = await addressOf(child);
  const baseUrl = url.replace(/^ws/, "http").replace(/\/v1\/stream$/, "");
  return {
    url,
    baseUrl,
    metrics: async () => parseMetrics(await (await fetch(`${baseUrl}/metrics`)).text()),
    residentBytes: () => residentBytesOf(child),
    processorSeconds: () => processorSecondsOf(child),
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

async function addressOf(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) {
    if (!line.startsWith("{")) continue;
    const { url } = JSON.parse(line);
    if (url === undefined) throw new Error(`molora serve: ${line}`);
    return url;
  }
  throw new Error("molora serve ended before it served");
}

export function parseMetrics(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => /^[a-z_]+ /.test(line));
  return new Map(lines.map((line) => [line.split(" ")[0], Number(line.split(" ")[1])]));
}

function residentBytesOf({ pid }: ChildProcess): number {
  try {
    return 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN);
  } catch {
    return Number.NaN; // not on this system
  }
}

/** The kernel counts in hundredths of a second, whatever its own clock. */
const TICK = 1 / 100;

function processorSecondsOf({ pid }: ChildProcess): number {
  try {
    // Behind the name, which may hold anything: state is field 3, utime and stime are 14 and 15 (proc(5)).
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
    return TICK * (Number(fields[14 - 3]) + Number(fields[15 - 3]));
  } catch {
    return Number.NaN; // not on this system
  }
}
