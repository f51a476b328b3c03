// `molora doctor --check` as a person runs it: the whole table, on each device of this machine.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { CheckReport } from "../../../cli/check/check.ts";
import type { DoctorReport } from "../../../cli/doctor/report.ts";
import { json, molora } from "../run.ts";

interface Checked extends DoctorReport {
  check: CheckReport;
}

test("on the CPU every row is right", async () => {
  const ran = await molora(["doctor", "--check", "--device", "cpu", "--threads", "2", "--json"]);
  assert.equal(ran.code, 0, ran.stdout);
  const { check, cpu } = json<Checked>(ran);
  assert.equal(typeof cpu.relaxedSimd, "boolean");
  assert.deepEqual(
    check.devices.map(({ name }) => name),
    ["cpu"],
  );
  assert.ok(check.passed && check.kernels.length > 35);
  for (const { kernel, worst, passed } of check.kernels) assert.ok(passed && worst.cpu <= 1, kernel);
});

test("on a GPU or a software adapter too, segments included", async (t) => {
  const facts = json<DoctorReport>(await molora(["doctor", "--json"]));
  if (facts.adapter === undefined) return t.skip("no WebGPU adapter on this machine");
  const ran = await molora(["doctor", "--check", "--device", "gpu"]);
  assert.equal(ran.code, 0, ran.stdout);
  assert.match(ran.stdout, /rope_kv \+ LoRA, segmented +\d+ +[\d.]+ +ok/);
  assert.match(ran.stdout, /whole model .* ok/);
});
