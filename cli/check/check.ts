// `molora doctor --check`: opens the devices there are, judges every case on them, and shows what came of it.

import type { Device } from "../../engine/device/device.ts";
import { openNodeDevice } from "../../node/device.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { FlagValues } from "../flags/arguments.ts";
import type { DEVICE_FLAGS } from "../flags/common_flags.ts";
import type { Output } from "../terminal/output.ts";
import { Progress } from "../terminal/progress.ts";
import { table } from "../terminal/table.ts";
import type { KernelCase } from "./case.ts";
import { type CheckedDevice, judge, type KernelVerdict } from "./judge.ts";

/** What `doctor --check --json` has in `check`. */
export interface CheckReport {
  devices: { name: string; description: string }[];
  kernels: KernelVerdict[];
  passed: boolean;
  seconds: number;
}

/** The devices that the flags name: `auto` is the CPU and a hardware GPU, where there is one. */
export async function openChecked({ device, threads }: FlagValues<typeof DEVICE_FLAGS>): Promise<CheckedDevice[]> {
  const count = threads === undefined ? {} : { threads };
  if (device === "gpu") return [named(await openNodeDevice({ device }))];
  const cpu = named(await openNodeDevice({ device: "cpu", ...count }));
  if (device === "cpu") return [cpu];
  const taken = await openNodeDevice({ device: "auto", ...count });
  if (taken.kind === "gpu") return [cpu, named(taken)];
  await taken.close();
  return [cpu];
}

function named(device: Device): CheckedDevice {
  return { name: device.kind, device };
}

export async function check(
  devices: readonly CheckedDevice[],
  cases: readonly KernelCase[],
  output: Output,
): Promise<CheckReport> {
  const progress = new Progress("checking kernels", (done) => `${done.toFixed(0)} cases`, output.streams.stderr);
  const begun = performance.now();
  const kernels = await judge(devices, cases, (done) => progress.update(done, cases.length)).finally(() =>
    progress.finish(),
  );
  return {
    devices: devices.map(({ name, device }) => ({ name, description: device.description })),
    kernels,
    passed: kernels.every(({ passed }) => passed),
    seconds: (performance.now() - begun) / 1000,
  };
}

/** What a check that did not pass is thrown as. `facts`: of the machine, for a report. */
export function checkFailed(report: CheckReport, facts: Record<string, unknown>): MoloraError {
  const { kernels } = report;
  const wrong = kernels.filter(({ passed }) => !passed).map(({ kernel }) => kernel);
  const message = `${wrong.length} of ${kernels.length} rows are off by more than rounding explains: ${wrong.join("; ")}`;
  return new MoloraError("check_failed", message, {
    remedy:
      "Update the GPU's driver or take --device cpu, and please report it with what `molora doctor --json` prints.",
    details: { ...facts, check: report },
  });
}

export function shown({ devices, kernels, seconds }: CheckReport): string {
  const names = devices.map(({ name }) => name);
  const both = names.length > 1;
  const rows = kernels.map(({ kernel, cases, worst, between, passed }) => [
    kernel,
    String(cases),
    ...names.map((name) => part(worst[name])),
    ...(both ? [part(between ?? undefined)] : []),
    passed ? "ok" : "WRONG",
  ]);
  const head = ["kernel", "cases", ...names, ...(both ? ["between them"] : []), "verdict"];
  const failures = kernels.flatMap((verdict) =>
    verdict.failures.map((failure) => `${verdict.kernel} on ${failure.device}, ${failure.case}: ${failure.message}`),
  );
  return [
    ...devices.map(({ name, description }) => `${name}: ${description}`),
    "Worst error against float64 (the whole model: against PyTorch), as a part of what rounding explains; above 1 is wrong.",
    "",
    table(head, rows),
    "",
    ...failures,
    `${kernels.reduce((sum, { cases }) => sum + cases, 0)} cases in ${seconds.toFixed(0)} s`,
  ].join("\n");
}

function part(error: number | undefined): string {
  if (error === undefined) return "-";
  return error >= 100 ? "> 100" : error.toFixed(2);
}
