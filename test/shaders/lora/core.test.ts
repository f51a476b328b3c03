// The core kernel: matrices and diagonals of ragged ranks against float64, plain adapters and ended lists untouched.

import { coreCases } from "../../../cli/check/cases/cores.ts";
import { checkClose, onEachDevice } from "../device.ts";

for (const { name, run } of coreCases()) {
  onEachDevice(`cores: ${name}`, async (device) => {
    for (const { actual, expected, tolerance } of await run(device)) checkClose(actual, expected, tolerance);
  });
}
