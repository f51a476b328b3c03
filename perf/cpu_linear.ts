// GMAC/s of one thread of the CPU's linear kernel on SmolLM2-135M's shapes: `node dist/perf/cpu_linear.js [PART OF A NAME]`.
// Weights cycle through more than the caches hold, as in a step. Beside other work the best of several runs is nearest the truth.

import { BEYOND_HALF } from "../files/weights/stored/format.ts";
import type { StoredType } from "../files/weights/stored/formats.ts";
import { layoutOf } from "../files/weights/stored/layout.ts";
import type { DeviceFormat } from "../shaders/formats/device_format.ts";
import { BUILDS, CpuKernels } from "../test/shaders/cpu/cpu_kernels.ts";
import { randomFloats } from "../test/shaders/device.ts";
import { randomTensor } from "../test/shaders/linear_case.ts";

const FORMATS: DeviceFormat[] = ["f32", "f16", "q8_0", "q4", "q4_k", "q6_k", "q5"];
const CASES: [StoredType, DeviceFormat, boolean, rows: number, cols: number][] = [
  ["q4_1", "q4", true, 960, 576],
  ["q4_1", "q4", true, 576, 576],
  ["q4_1", "q4", true, 3072, 576],
  ["q4_1", "q4", true, 576, 1536],
  ["q8_0", "q8_0", true, 49152, 576],
  ["q8_0", "q8_0", true, 3072, 576],
  ["f16", "f16", false, 3072, 576],
  ["f32", "f32", false, 3072, 576],
  ["q4_1", "q4", false, 3072, 576],
  ["q4_1", "q4", true, 2048, 1024],
  ["q5_1", "q5", true, 2048, 1024],
  ["q4_k", "q4_k", true, 2048, 1024],
  ["q6_k", "q6_k", true, 2048, 1024],
  ["q8_0", "q8_0", true, 2048, 1024],
];
const TOKENS = [1, 2, 4, 8, 64, 240];
/** Bytes of weights that a run passes through. */
const COLD_BYTES = 100e6;
const SECONDS = 0.15;
const RUNS = 3;

const part = process.argv[2] ?? "";
console.log(`Node ${process.version}, GMAC/s a thread at ${TOKENS.join(", ")} tokens`);
for (const build of BUILDS) {
  for (const [type, format, int8, rows, cols] of CASES) {
    const name = `${build} ${format} × ${int8 ? "int8" : "f32"} ${cols} → ${rows}`;
    if (!name.includes(part)) continue;
    const kernels = new CpuKernels(build, 320);
    const bytes = await randomTensor(type, rows, cols, 1).readRows(0, rows);
    const planes = layoutOf(8).pack(type, bytes, format, cols);
    if (planes === BEYOND_HALF) throw new Error("beyond half precision");
    const packed = planes.quants;
    const copies = Math.max(1, Math.floor(COLD_BYTES / packed.byteLength));
    const quants = Array.from({ length: copies }, () => kernels.place(packed));
    const most = Math.max(...TOKENS);
    const x = kernels.place(randomFloats(most * cols, 2));
    const [xq, xs] = [kernels.output((most * cols) / 4), kernels.output((most * cols) / 16)];
    kernels.run("quantize", { x, xq, xs, COLS: cols }, most);
    const y = kernels.output(Math.min(most, 64e6 / rows / 4) * rows);
    const constants = { FORMAT: FORMATS.indexOf(format), ROWS: rows, FIRST_ROW: 0, ROWS_TOTAL: rows, COLS: cols };
    const speeds = TOKENS.map((tokens) => {
      if (tokens * rows * 4 > 64e6) return "-";
      const step = kernels.step(tokens, 0, 0);
      const args = { ...constants, step, x, y, COUNT_ROWS: 0, SCALE: 0, CAP: 0, ...(int8 ? { xq, xs } : {}) };
      const launches = quants.map((address) => kernels.prepare("linear", { ...args, quants: address }));
      let best = 0;
      for (let run = 0; run < RUNS; run++) {
        const from = process.cpuUsage();
        const start = performance.now();
        let count = 0;
        while (performance.now() - start < SECONDS * 1000) launches[count++ % copies](0, Math.ceil(rows / 8));
        const { user, system } = process.cpuUsage(from);
        best = Math.max(best, (count * tokens * rows * cols) / (user + system) / 1000);
      }
      return best.toFixed(1);
    });
    console.log(name.padEnd(44), speeds.map((speed) => speed.padStart(6)).join(""));
  }
}
