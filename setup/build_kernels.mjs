// Compiles the kernels' CPU bodies (shaders/**/*.cpu.ts, AssemblyScript) into dist/engine/cpu/: kernels.wasm, kernels_plain.wasm
// for engines without relaxed SIMD, and kernels.json, which says how each kernel's arguments lie in memory.

import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT, runShown, SetupError, say, seconds } from "./say.mjs";

const TARGET = join(ROOT, "dist", "engine", "cpu");
/** What was compiled last, kept from one dist/ to the next. */
const CACHE = join(ROOT, ".cache", "kernels");
const FILES = ["kernels.wasm", "kernels_plain.wasm", "kernels.json"];
const SUFFIX = ".cpu.ts";

export function ensureKernels() {
  const sources = bodies();
  const hash = hashOf(sources);
  const stored = join(CACHE, hash);
  if (FILES.some((name) => !existsSync(join(stored, name)))) {
    say("building the CPU kernels…");
    const start = performance.now();
    rmSync(CACHE, { recursive: true, force: true });
    mkdirSync(stored, { recursive: true });
    compile(join(stored, "kernels.wasm"), true);
    compile(join(stored, "kernels_plain.wasm"), false);
    writeFileSync(join(stored, "kernels.json"), `${JSON.stringify(argumentsOf(sources), null, 1)}\n`);
    say(`built in ${seconds(start)}`);
  }
  mkdirSync(TARGET, { recursive: true });
  for (const name of FILES) cpSync(join(stored, name), join(TARGET, name));
}

/** Kernel name → its arguments in order, [name, usize | i32 | u32 | f32], 4 bytes each: the fields of its `Args` class. */
export function argumentsOf(sources) {
  const kernels = {};
  for (const [path, text] of sources) {
    const fields = /class \w+Args \{([^}]*)\}/.exec(text)?.[1];
    if (fields === undefined) continue;
    kernels[basename(path, SUFFIX)] = [...fields.matchAll(/^ +(\w+): (usize|i32|u32|f32);/gm)].map(([, name, type]) => [
      name,
      type,
    ]);
  }
  return kernels;
}

function compile(out, relaxed) {
  const features = ["simd", "threads", ...(relaxed ? ["relaxed-simd"] : [])];
  const code = runShown(process.execPath, [
    join(ROOT, "node_modules", "assemblyscript", "bin", "asc.js"),
    join("shaders", `kernels${SUFFIX}`),
    ...["--outFile", out, "-O3", "--noAssert", "--runtime", "stub", "--enable", features.join(",")],
    // memory.copy and memory.fill trap where another thread has just let the memory grow (shaders/cpu/bytes.cpu.ts).
    ...["--disable", "bulk-memory"],
    ...["--importMemory", "--noExportMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
    ...["--use", `RELAXED=${relaxed ? 1 : 0}`, "--use", "abort="],
  ]);
  if (code !== 0) throw new SetupError(`the CPU kernels did not compile (asc exit ${code}); its messages stand above.`);
}

/** [path, text] of every body and of what bodies share. */
function bodies() {
  const folder = join(ROOT, "shaders");
  return readdirSync(folder, { recursive: true })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(SUFFIX))
    .sort()
    .map((path) => [path, readFileSync(join(folder, path), "utf8")]);
}

function hashOf(sources) {
  const { version } = JSON.parse(readFileSync(join(ROOT, "node_modules", "assemblyscript", "package.json"), "utf8"));
  const hash = createHash("sha256")
    .update(version)
    .update(readFileSync(fileURLToPath(import.meta.url)));
  for (const [path, text] of sources) hash.update(`${path}\0${text.length}\0`).update(text);
  return hash.digest("hex");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) ensureKernels();
