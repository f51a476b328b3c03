// What `doctor --check` is made of: every kernel is among its cases, and each of its rows can fail.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import type { KernelCase } from "../../../cli/check/case.ts";
import { allCases } from "../../../cli/check/cases.ts";
import { check, checkFailed, shown } from "../../../cli/check/check.ts";
import { judge } from "../../../cli/check/judge.ts";
import { NANO_PROMPT, NANO_USES } from "../../../cli/check/nano_logprobs.ts";
import { Output } from "../../../cli/terminal/output.ts";
import type { Device, Launch, Program } from "../../../engine/device/device.ts";
import type { View } from "../../../engine/device/memory.ts";
import { DevicePart } from "../../../engine/device/part.ts";
import { openCpuDevice } from "../../../node/cpu.ts";
import type { Fixture } from "../../engine/parity.ts";
import { sources } from "../../house/sources.ts";

/** The first case of every row: the whole table takes longer than a test should. */
function oneOfEach(): KernelCase[] {
  const rows = new Map(allCases().map((one) => [one.kernel, one]));
  for (const one of allCases().toReversed()) rows.set(one.kernel, one);
  return [...rows.values()];
}

async function withCpu(body: (device: Device) => Promise<void>): Promise<void> {
  const device = await openCpuDevice({ threads: 2 });
  try {
    await body(device);
  } finally {
    await device.close();
  }
}

/** Remembers which kernels were launched. */
class Recorder extends DevicePart {
  readonly kernels = new Set<string>();

  override prepare<Shape>(launches: readonly Launch<Shape>[]): Promise<Program<Shape>> {
    for (const { kernel } of launches) this.kernels.add(kernel.name);
    return super.prepare(launches);
  }
}

/** Spoils the first word of everything that the last launches of a program write. */
class Spoiler extends DevicePart {
  readonly #written = new Map<unknown, View[]>();

  override async prepare<Shape>(launches: readonly Launch<Shape>[]): Promise<Program<Shape>> {
    const program = await super.prepare(launches);
    // No case has more launches; a whole model's head has as many.
    const written = launches.slice(-4).flatMap(({ kernel, facts, views }) => {
      const bindings = Object.entries(kernel.wgsl(facts, { subgroups: false }).bindings);
      const names = bindings.filter(([, access]) => access === "read_write").map(([name]) => name);
      // Int8 blocks are the CPU's own.
      return [...names, "xq"].flatMap((name) => (name in views ? [views[name]] : []));
    });
    this.#written.set(program, written);
    return program;
  }

  override async run<Shape>(
    programs: readonly Program<Shape>[],
    shape: Shape,
    read: readonly View[] = [],
  ): Promise<ArrayBuffer> {
    await super.run(programs, shape);
    for (const view of programs.flatMap((program) => this.#written.get(program) ?? [])) {
      const [word] = new Uint32Array(await super.run([], shape, [view]));
      this.write(view, Uint32Array.of(word === 0 ? 0x3f800000 : word ^ 0x00c00000));
    }
    return super.run([], shape, read);
  }
}

test("every row passes on a sound device, and fails on one that spoils a word of each output", () =>
  withCpu(async (device) => {
    const cases = oneOfEach();
    const devices = [
      { name: "sound", device },
      { name: "spoilt", device: new Spoiler(device) },
    ];
    for (const { kernel, worst, between, passed, failures } of await judge(devices, cases)) {
      assert.ok(worst.sound <= 1, `${kernel}: ${worst.sound} of what is tolerated`);
      assert.ok(worst.spoilt > 1, `${kernel} takes a spoilt word`);
      assert.ok(between === null || between > 1, `${kernel}: the devices look alike`);
      assert.equal(passed, false);
      assert.deepEqual([...new Set(failures.map((failure) => failure.device))], ["spoilt"], kernel);
      assert.ok(failures[0].message.length > 0 && failures[0].case.length > 0);
    }
  }));

test("cases run every kernel that the CPU has", () =>
  withCpu(async (device) => {
    const recorder = new Recorder(device);
    await judge([{ name: "cpu", device: recorder }], oneOfEach());
    const kernels = sources(".ts").flatMap(({ path, text }) => {
      const declared = /: (?:Sized)?Kernel<[\s\S]*?> = \{\s*name: "([^"]+)"/.exec(text)?.[1];
      const isKernel = path.startsWith("shaders/") && declared !== undefined && /^ {2}cpu[:(]/m.test(text);
      return isKernel ? [declared] : [];
    });
    assert.ok(kernels.length > 30, `${kernels.length} kernels were found`);
    assert.deepEqual(
      kernels.filter((name) => !recorder.kernels.has(name)),
      [],
    );
  }));

test("a case that throws, and one that gives no number, fail with a reason; others go on", () =>
  withCpu(async (device) => {
    const compared = (actual: number[]) => async () => [{ actual, expected: [1, 2], tolerance: 1e-3 }];
    const cases: KernelCase[] = [
      { kernel: "thrown", name: "a", run: () => Promise.reject(new Error("element -1 of 2 was written")) },
      { kernel: "nan", name: "b", run: compared([1, Number.NaN]) },
      { kernel: "short", name: "c", run: compared([1]) },
      { kernel: "sound", name: "d", run: compared([1.001, 2]) },
      { kernel: "for a GPU", name: "e", only: "gpu", run: compared([0, 0]) },
    ];
    const verdicts = await judge([{ name: "cpu", device }], cases);
    assert.deepEqual(
      verdicts.map(({ kernel, passed }) => [kernel, passed]),
      [
        ["thrown", false],
        ["nan", false],
        ["short", false],
        ["sound", true],
      ],
    );
    assert.equal(verdicts[0].failures[0].message, "element -1 of 2 was written");
    assert.equal(verdicts[1].failures[0].message, "element 1 is NaN, expected 2");
  }));

test("a wrong kernel is shown, and is an error with the whole report", () =>
  withCpu(async (device) => {
    const cases = allCases().filter(({ kernel, name }) => kernel === "trace" || name === "7 rows of 64");
    const output = new Output(true);
    const sound = await check([{ name: "cpu", device }], cases, output);
    assert.ok(sound.passed && !shown(sound).includes("WRONG"));
    const report = await check([{ name: "cpu", device: new Spoiler(device) }], cases, output);
    assert.equal(report.passed, false);
    assert.match(shown(report), /norm +1 +> 100 +WRONG/);
    assert.match(shown(report), /\nnorm on cpu, 7 rows of 64: element 0 is \S+, expected \S+\n/);
    const error = checkFailed(report, { node: "v20" });
    assert.equal(error.code, "check_failed");
    assert.match(error.message, /^2 of 2 rows .*: norm; trace$/);
    assert.deepEqual(error.details, { node: "v20", check: report });
  }));

test("the whole model's numbers are those of the fixture", async () => {
  const fixture = JSON.parse(await readFile("test/fixtures/parity/nano_q8.json", "utf8")) as Fixture;
  const prompt = fixture.prompts.find(({ name }) => name === "sql");
  assert.deepEqual(NANO_PROMPT, prompt?.ids);
  for (const { name, logprobs, greedy } of NANO_USES) {
    const use = fixture.uses.find((other) => other.name === name);
    const row = use?.rows.find((other) => other.prompt === "sql");
    assert.equal(logprobs.length, row?.logprobs.length);
    for (const [t, logprob] of logprobs.entries()) assert.ok(Math.abs(logprob - row!.logprobs[t]) < 1e-5);
    const continued = use?.greedy?.find((other) => other.prompt === "sql");
    assert.ok(greedy.length > 0 && greedy.length <= continued!.safe);
    assert.deepEqual(greedy, continued!.ids.slice(0, greedy.length));
  }
});
