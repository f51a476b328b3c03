// Trains the study's adapters, one after another; those that are there already are left alone.
// Usage: node dist/perf/study/train.js DATA ZOO [--minutes N]
// DATA has a folder for each domain with train.jsonl.gz and valid.jsonl.gz in it; ZOO is where the adapters are written.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { rowsOf } from "./tasks.ts";
import { SHARED_FLAGS, TRAINED } from "./zoo.ts";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { minutes: { type: "string" } } });
const [data, zoo] = positionals;
if (zoo === undefined) throw new Error("usage: node dist/perf/study/train.js DATA ZOO [--minutes N]");
const end = performance.now() + 60_000 * Number(values.minutes ?? Number.POSITIVE_INFINITY);
const molora = fileURLToPath(new URL("../../../bin/molora.mjs", import.meta.url));

await mkdir(zoo, { recursive: true });
for (const [name, { task, rows, flags }] of Object.entries(TRAINED)) {
  const out = join(zoo, name);
  if (existsSync(join(out, "adapter_config.json"))) continue;
  if (performance.now() > end) break;
  const files = { data: join(zoo, `${name}.train.jsonl`), valid: join(zoo, `${name}.valid.jsonl`) };
  await writeFile(files.data, lines(await rowsOf(data, task, "train", rows)));
  await writeFile(files.valid, lines(await rowsOf(data, task, "valid", [0, 32])));
  const begun = performance.now();
  const paths = ["--data", files.data, "--valid", files.valid, "--valid-rows", "32", "--out", out];
  const command = [molora, "train-adapter", ...SHARED_FLAGS, ...flags, ...paths];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${name}: ${stderr}`);
  console.log(`${name}: ${((performance.now() - begun) / 1000).toFixed(0)} s\n${stdout}`);
}

function lines(rows: readonly object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}
