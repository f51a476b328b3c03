// Runs cases on devices, measures each output against its reference and the devices against each other.

import type { Device } from "../../engine/device/device.ts";
import type { Compared, KernelCase } from "./case.ts";

/** A device under the name that the table has for it. */
export interface CheckedDevice {
  name: string;
  device: Device;
}

/** What the cases of one kernel came to. */
export interface KernelVerdict {
  kernel: string;
  cases: number;
  /** By device: the worst error, as a part of what was tolerated. 1 is the limit. A device that ran no case is absent. */
  worst: Record<string, number>;
  /** The worst difference between two devices, in the same measure; null where no two ran the same case. */
  between: number | null;
  passed: boolean;
  /** What went wrong, the first of each device. */
  failures: { device: string; case: string; message: string }[];
}

/** Two results may each be off by what is tolerated, in opposite directions. */
const BETWEEN_LIMIT = 2;

/** Verdicts in the order in which kernels first appear. `onCase` is told how many cases are done. */
export async function judge(
  devices: readonly CheckedDevice[],
  cases: readonly KernelCase[],
  onCase: (done: number) => void = () => {},
): Promise<KernelVerdict[]> {
  const verdicts = new Map<string, KernelVerdict>();
  for (const [i, one] of cases.entries()) {
    const ran = devices.filter(({ device }) => one.only === undefined || one.only === device.kind);
    onCase(i + 1);
    if (ran.length === 0) continue;
    const { kernel } = one;
    const fresh = { kernel, cases: 0, worst: {}, between: null, passed: true, failures: [] };
    const verdict = verdicts.get(kernel) ?? fresh;
    verdicts.set(kernel, verdict);
    verdict.cases += 1;
    const results: Compared[][] = [];
    for (const device of ran) results.push(await judgeOn(device, one, verdict));
    for (const other of results.slice(1)) compareDevices(verdict, one, results[0], other);
  }
  return [...verdicts.values()];
}

async function judgeOn({ name, device }: CheckedDevice, one: KernelCase, verdict: KernelVerdict): Promise<Compared[]> {
  const fail = (message: string) => {
    verdict.passed = false;
    if (verdict.failures.some((failure) => failure.device === name)) return;
    verdict.failures.push({ device: name, case: one.name, message });
  };
  try {
    const compared = [...(await one.run(device))];
    for (const part of compared) {
      const worst = worstOf(part, part.actual, part.expected);
      verdict.worst[name] = Math.max(verdict.worst[name] ?? 0, worst.error);
      if (!(worst.error <= 1)) {
        fail(`element ${worst.at} is ${part.actual[worst.at]}, expected ${part.expected[worst.at]}`);
      }
    }
    return compared;
  } catch (thrown) {
    verdict.worst[name] = Number.POSITIVE_INFINITY;
    fail(thrown instanceof Error ? thrown.message : String(thrown));
    return [];
  }
}

function compareDevices(verdict: KernelVerdict, one: KernelCase, first: Compared[], other: Compared[]): void {
  for (const [i, part] of first.entries()) {
    // A device may compare further outputs, of kernels that only it has.
    if (other[i]?.actual.length !== part.actual.length) continue;
    const { error, at } = worstOf(part, part.actual, other[i].actual);
    verdict.between = Math.max(verdict.between ?? 0, error);
    if (error <= BETWEEN_LIMIT) continue;
    verdict.passed = false;
    if (verdict.failures.length > 0) continue;
    const message = `element ${at} is ${part.actual[at]} and ${other[i].actual[at]}`;
    verdict.failures.push({ device: "between devices", case: one.name, message });
  }
}

/** The largest |left − right| ÷ (tolerance · scale), and where; infinite where one is no number or lengths differ. */
function worstOf(
  { expected, tolerance, scale }: Compared,
  left: ArrayLike<number>,
  right: ArrayLike<number>,
): { error: number; at: number } {
  if (left.length !== right.length) return { error: Number.POSITIVE_INFINITY, at: right.length };
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]));
  let worst = { error: 0, at: 0 };
  for (let i = 0; i < left.length; i++) {
    const off = Math.abs(left[i] - right[i]);
    const error = off === 0 ? 0 : off / (tolerance * (scale?.[i] ?? largest));
    if (!(error <= worst.error)) worst = { error: Number.isFinite(error) ? error : Number.POSITIVE_INFINITY, at: i };
  }
  return worst;
}
