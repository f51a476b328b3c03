// Compiles composition/kernels/*.cpu.ts and writes the module, a few kilobytes, into composition/kernels/float64_wasm.ts: it is
// compiled where it is used, at once, in Node and in a browser, without a file to be found.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT, runShown, SetupError } from "./say.mjs";

const FOLDER = join(ROOT, "composition", "kernels");
const SOURCES = ["float64.cpu.ts", "decompositions.cpu.ts"];

/** The text of composition/kernels/float64_wasm.ts. */
export function embedded() {
  const folder = mkdtempSync(join(tmpdir(), "molora-"));
  try {
    const out = join(folder, "float64.wasm");
    const code = runShown(process.execPath, [
      join(ROOT, "node_modules", "assemblyscript", "bin", "asc.js"),
      ...SOURCES.map((name) => join(FOLDER, name)),
      ...["--outFile", out, "-O3", "--noAssert", "--runtime", "stub", "--enable", "simd"],
      ...["--initialMemory", "1", "--maximumMemory", "65536", "--use", "abort="],
    ]);
    if (code !== 0)
      throw new SetupError(`${SOURCES.join(", ")} did not compile (asc exit ${code}); messages stand above.`);
    const lines = readFileSync(out)
      .toString("base64")
      .match(/.{1,112}/g);
    return [
      "// Written by setup/embed_float64.mjs out of *.cpu.ts; a test compares both.",
      "",
      "/** A WebAssembly module in base64. */",
      `export const FLOAT64_WASM =\n  ${lines.map((line) => `"${line}"`).join(" +\n  ")};`,
      "",
    ].join("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(join(FOLDER, "float64_wasm.ts"), embedded());
