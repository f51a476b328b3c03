// Makes sure a WebGPU adapter exists, for the tests of WGSL: a machine that has one is left alone, another gets Mesa's
// software driver. What runs on the CPU device needs none.
// With MOLORA_NO_INSTALL=1 it says what is missing and installs nothing.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readAptSources } from "./apt_sources.mjs";
import { plan } from "./driver_plan.mjs";
import { ROOT, runShown, SetupError, say, seconds } from "./say.mjs";

/** As ensureDriver, but where there can be no adapter it says so and goes on. */
export function ensureDriverIfPossible() {
  try {
    ensureDriver();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`NO WEBGPU ADAPTER: tests of WGSL will be skipped. ${error.message}`);
  }
}

export function ensureDriver() {
  const first = probe();
  if (first.found) return say(`WebGPU adapter: ${first.name}`);
  say(`no WebGPU adapter here (${first.reason})`);
  const steps = plan(machineFacts());
  if (!steps.possible) throw new SetupError(`${steps.reason}. ${steps.remedy}`);
  if (process.env.MOLORA_NO_INSTALL === "1") {
    throw new SetupError(`MOLORA_NO_INSTALL=1, so nothing was installed. As root: ${steps.manual}`);
  }
  install(steps);
  const second = probe();
  if (!second.found) {
    throw new SetupError(`the driver was installed, yet there is no adapter (${second.reason}). ${remedyLine()}`);
  }
  say(`WebGPU adapter: ${second.name}`);
}

/** Asks for an adapter in a process of its own: `{ found, name }` or `{ found: false, reason }`. */
export function probe() {
  const { stdout, signal, status } = spawnSync(process.execPath, [join(ROOT, "setup", "probe.mjs")], {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    timeout: 60_000,
  });
  try {
    return JSON.parse(stdout);
  } catch {
    return { found: false, reason: `the probe ended with ${signal ?? `exit ${status}`}` };
  }
}

function machineFacts() {
  return {
    platform: process.platform,
    osRelease: parseOsRelease(existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : ""),
    aptSources: readAptSources(),
    hasApt: canRun("apt-get"),
    isRoot: process.getuid?.() === 0,
    hasSudo: canRun("sudo"),
  };
}

/** The fields of /etc/os-release, unquoted. */
export function parseOsRelease(text) {
  return Object.fromEntries(
    [...text.matchAll(/^([A-Z_]+)=["']?(.*?)["']?$/gm)].map(([, name, value]) => [name, value]),
  );
}

function install({ source, commands }) {
  const start = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "molora-apt-"));
  try {
    const options = source === null ? [] : ["-o", `Dir::Etc::sourcelist=${extendedSourceList(folder, source)}`];
    if (source !== null) say(`for this installation only, with the source: ${source}`);
    for (const command of commands) {
      say(command.join(" "));
      const [program, ...args] = [...command, ...options];
      const code = runShown(program, args);
      // A third party's broken list fails the update, yet the packages wanted here may well be reachable
      if (code !== 0 && !command.includes("update")) {
        throw new SetupError(`${command.join(" ")} failed (exit ${code}). ${remedyLine()}`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  say(`driver installed in ${seconds(start)}`);
}

/** A copy of the machine's own list with one line more: apt reads it in place of that list, and /etc stays as it is. */
function extendedSourceList(folder, source) {
  const path = join(folder, "sources.list");
  const own = existsSync("/etc/apt/sources.list") ? readFileSync("/etc/apt/sources.list", "utf8") : "";
  writeFileSync(path, `${own}\n${source}\n`);
  return path;
}

function canRun(program) {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;
}

function remedyLine() {
  return "Check the network and apt's sources, or install a Vulkan driver (Mesa 23.1 or later) by hand; then run this again.";
}
