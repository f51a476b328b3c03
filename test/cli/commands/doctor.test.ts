// `molora` as a process: exit codes, streams and shapes, by way of its smallest command.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const NO_DRIVER = { VK_ICD_FILENAMES: "/nonexistent", VK_DRIVER_FILES: "/nonexistent" };

function molora(argv: string[], env: Record<string, string> = {}) {
  const options = { encoding: "utf8", env: { ...process.env, ...env } } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["bin/molora.mjs", ...argv], options);
  return { status, stdout, stderr };
}

test("doctor --json describes both devices, and says which one is taken", () => {
  const { status, stdout } = molora(["doctor", "--json"]);
  assert.equal(status, 0);
  const report = JSON.parse(stdout);
  assert.equal(report.node, process.version);
  assert.ok(report.memory.total > 0);
  assert.ok(report.cpu.threads >= 1);
  assert.equal(typeof report.cpu.processor, "string");
  assert.equal(typeof report.cpu.relaxedSimd, "boolean");
  assert.ok(report.cpu.avxVnni === null || typeof report.cpu.avxVnni === "boolean");
  assert.equal(report.auto, report.adapter?.isSoftware === false ? "gpu" : "cpu");
  if (report.adapter === undefined) return;
  assert.equal(typeof report.adapter.description, "string");
  assert.ok(report.limits.maxStorageBufferBindingSize >= 134217728);
});

test("a software adapter is named as such, and is not taken", (t) => {
  const report = JSON.parse(molora(["doctor", "--json"]).stdout);
  if (report.adapter?.isSoftware !== true) return t.skip("no software adapter on this machine");
  const { stdout } = molora(["doctor"]);
  assert.match(stdout, /device +cpu/);
  assert.match(stdout, /adapter .*\(software, used only when asked for: --device gpu\)/);
  assert.match(stdout, /GPU is taken by itself once its driver offers Vulkan|NVIDIA driver is loaded/);
});

test("doctor without a driver is content with the CPU, and says how to get a GPU", () => {
  const human = molora(["doctor"], NO_DRIVER);
  assert.equal(human.status, 0, human.stderr);
  assert.match(human.stdout, /device +cpu/);
  assert.match(human.stdout, /kernels +WebAssembly .*, \d+ threads?/);
  assert.match(human.stdout, /adapter +none/);
  assert.match(human.stdout, /mesa-vulkan-drivers|libnvidia-gl/);
  assert.equal(human.stderr.includes("error"), false);
  const machine = JSON.parse(molora(["doctor", "--json"], NO_DRIVER).stdout);
  assert.equal(machine.auto, "cpu");
  assert.equal(machine.adapter, undefined);
  assert.equal(machine.noAdapter.code, "no_gpu_adapter");
  assert.ok(machine.advice.length > 0);
});

test("a GPU that is asked for where there is none is refused, with what to do", () => {
  const human = molora(["doctor", "--check", "--device", "gpu"], NO_DRIVER);
  assert.equal(human.status, 1);
  assert.match(human.stderr, /error\[no_gpu_adapter\]: .*\nremedy: .*CPU device needs no driver.*mesa-vulkan-drivers/);
});

test("wrong arguments exit with 2, in both forms", () => {
  const human = molora(["doctor", "--jsn"]);
  assert.equal(human.status, 2);
  assert.match(human.stderr, /error\[bad_arguments\]: unknown flag --jsn\nremedy: Did you mean --json\?/);
  assert.equal(human.stdout, "");
  const machine = molora(["docter", "--json"]);
  assert.equal(machine.status, 2);
  assert.equal(JSON.parse(machine.stdout).error.details.nearest, "doctor");
});

test("help and version exit with 0", () => {
  assert.match(molora(["--help"]).stdout, /doctor {2,}Adapter/);
  assert.match(molora(["doctor", "--help"]).stdout, /--json/);
  assert.match(molora(["--version"]).stdout, /^\d+\.\d+\.\d+\n$/);
  assert.equal(molora([]).status, 0);
});
