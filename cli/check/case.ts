// A case of a kernel as `molora doctor --check` runs it on every device: what is computed, and what it should be.

import type { Device } from "../../engine/device/device.ts";

/** An output and its float64 reference. */
export interface Compared {
  actual: ArrayLike<number>;
  expected: ArrayLike<number>;
  /** Largest error that rounding explains, as a part of the scale. */
  tolerance: number;
  /** What each element's error is measured by (of a sum: its terms' magnitudes). Default: the largest |expected|. */
  scale?: ArrayLike<number>;
}

export interface KernelCase {
  /** The row of the table that it counts in. */
  kernel: string;
  /** What distinguishes it from the kernel's other cases. */
  name: string;
  /** Absent: on every device. */
  only?: Device["kind"];
  /** @throws Error where something was written that nothing may write */
  run(device: Device): Promise<readonly Compared[]>;
}
