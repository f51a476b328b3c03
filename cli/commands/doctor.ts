// `molora doctor`: the devices of this machine, and with --check whether they compute what they should.

import { type CheckReport, check, checkFailed, openChecked, shown } from "../check/check.ts";
import { columns, defineCommand } from "../command.ts";
import { advise } from "../doctor/advice.ts";
import { type DoctorReport, inspectMachine } from "../doctor/report.ts";
import { machineRows } from "../doctor/rows.ts";
import type { FlagValues } from "../flags/arguments.ts";
import { DEVICE_FLAGS } from "../flags/common_flags.ts";
import { choice, toggle } from "../flags/flags.ts";
import type { Output } from "../terminal/output.ts";

const FLAGS = {
  check: toggle("Run every kernel on each device and compare with float64 and with each other; about half a minute"),
  device: choice(
    ["auto", "gpu", "cpu"],
    "With --check: where; auto: the CPU and a hardware GPU; gpu: the GPU alone, be it software",
    "auto",
  ),
  threads: DEVICE_FLAGS.threads,
};

export const command = defineCommand({
  name: "doctor",
  summary:
    "Adapter and processor, what each device offers, which one is taken; with --check, whether they compute right",
  details: `
A machine without a GPU is sound: the CPU device needs no driver. With --check the exit code is 1 where a kernel is wrong,
which a driver, a processor or molora may be to blame for.
`,
  flags: FLAGS,
  async run({ flags, output }) {
    const facts = await inspectMachine();
    const report: DoctorReport = { ...facts, advice: advise(facts) };
    output.print(columns(machineRows(facts)));
    for (const sentence of report.advice) output.print(`\n${sentence}`);
    if (!flags.check) output.result(report);
    else await runCheck(report, flags, output);
  },
});

/** @throws MoloraError `check_failed` */
async function runCheck(report: DoctorReport, flags: FlagValues<typeof DEVICE_FLAGS>, output: Output): Promise<void> {
  // Cases bring the engine, which a report alone can do without.
  const { allCases } = await import("../check/cases.ts");
  const devices = await openChecked(flags);
  let checked: CheckReport;
  try {
    checked = await check(devices, allCases(), output);
  } finally {
    for (const { device } of devices) await device.close();
  }
  output.print(`\n${shown(checked)}`);
  if (!checked.passed) throw checkFailed(checked, { ...report });
  output.result({ ...report, check: checked });
}
