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

test("doctor --json describes the adapter", () => {
  const { status, stdout } = molora(["doctor", "--json"]);
  assert.equal(status, 0);
  const report = JSON.parse(stdout);
  assert.equal(typeof report.adapter.description, "string");
  assert.equal(typeof report.adapter.isSoftware, "boolean");
  assert.ok(report.limits.maxStorageBufferBindingSize >= 134217728);
  assert.ok(report.memory.total > 0);
});

test("doctor without a driver fails with the remedy, on stderr or as JSON", () => {
  const human = molora(["doctor"], NO_DRIVER);
  assert.equal(human.status, 1);
  assert.match(human.stdout, /adapter +none/);
  assert.match(human.stderr, /error\[no_gpu_adapter\]: .*\nremedy: .*mesa-vulkan-drivers/);
  const machine = molora(["doctor", "--json"], NO_DRIVER);
  assert.equal(machine.status, 1);
  const { error } = JSON.parse(machine.stdout);
  assert.equal(error.code, "no_gpu_adapter");
  assert.equal(error.details.node, process.version);
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
