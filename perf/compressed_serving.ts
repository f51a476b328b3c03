// Speed of compressed adapters beside the same ones as they were: N requests together, each of an adapter of its own, decoding.
// Usage: node dist/perf/compressed_serving.js [--adapters 16] [--ranks 16,32,64] [--cores full,diagonal]
//   [--tokens 24] [--rounds 3]

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { table } from "../cli/terminal/table.ts";
import { type CoreKind, compressAdapters } from "../composition/compress/compress.ts";
import { writeCompressed } from "../composition/compress/write.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import { COMPRESSED_JSON, COMPRESSED_WEIGHTS } from "../files/lora/compressed.ts";
import { writePeftAdapter } from "../files/lora/peft_write.ts";
import { openModelFiles } from "../files/model_files/model_files.ts";
import { nodeHost } from "../node/host.ts";
import { Engine } from "../node/index.ts";
import { loadAdapterFolder } from "../training/frozen/load.ts";
import { withCopies } from "./noisy_copies.ts";
import { median } from "./profiler.ts";

const { values } = parseArgs({
  options: {
    adapters: { type: "string", default: "16" },
    ranks: { type: "string", default: "16,32,64" },
    cores: { type: "string", default: "full,diagonal" },
    tokens: { type: "string", default: "24" },
    rounds: { type: "string", default: "3" },
  },
});
const NANO = "models/nano";
const maxTokens = Number(values.tokens);
const { config } = await openModelFiles(await nodeHost().open(NANO));
const originals: Adapter[] = [];
for (const name of ["math", "sql", "medical", "code"]) {
  originals.push(await loadAdapterFolder(nodeHost(), name, `${NANO}/adapters/${name}`, config));
}
const adapters = withCopies(originals, Number(values.adapters)).map((adapter, i) => ({ ...adapter, name: `a${i}` }));
const folder = await mkdtemp(join(tmpdir(), "molora-compressed-"));
try {
  const ways = [{ title: "as they were", paths: await writePlain() }];
  for (const rank of values.ranks.split(",").map(Number)) {
    for (const core of values.cores.split(",") as CoreKind[]) {
      ways.push({ title: `compressed, rank ${rank}, ${core}`, paths: await writeSet(rank, core) });
    }
  }
  const engines = [];
  for (const { title, paths } of ways) {
    engines.push({
      title,
      engine: await Engine.load({ model: `./${NANO}`, adapters: paths, maxRank: 64 }),
      speeds: [] as number[],
    });
  }
  // In turns, so that what else the machine does falls on all alike; the first round only warms up.
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const { engine, speeds } of engines) {
      const speed = await tokensPerSecond(engine);
      if (round > 0) speeds.push(speed);
    }
  }
  const plain = median(engines[0].speeds);
  const rows = engines.map(({ title, speeds }) => [
    title,
    median(speeds).toFixed(0),
    (median(speeds) / plain).toFixed(2),
  ]);
  console.log(table(["adapters", "tokens/s", "÷ as they were"], rows));
  for (const { engine } of engines) await engine.close();
} finally {
  await rm(folder, { recursive: true });
}

async function writePlain(): Promise<Record<string, string>> {
  const paths: Record<string, string> = {};
  for (const { name, layers } of adapters) {
    const path = join(folder, name);
    const files = writePeftAdapter({ layers }, config);
    await mkdir(path);
    await writeFile(join(path, "adapter_config.json"), files.config);
    await writeFile(join(path, "adapter_model.safetensors"), files.safetensors);
    paths[name] = path;
  }
  return paths;
}

async function writeSet(rank: number, core: CoreKind): Promise<Record<string, string>> {
  const path = join(folder, `rank ${rank} ${core}`);
  const made = compressAdapters(adapters, { rank, core });
  const origins = adapters.map(({ name, hash }) => ({ name, sha256: hash }));
  const { json, safetensors } = await writeCompressed(made, origins, config);
  await mkdir(path);
  await writeFile(join(path, COMPRESSED_JSON), json);
  await writeFile(join(path, COMPRESSED_WEIGHTS), safetensors);
  return Object.fromEntries(adapters.map(({ name }) => [name, path]));
}

async function tokensPerSecond(engine: Engine): Promise<number> {
  const begun = performance.now();
  const ask = async (adapter: string) => {
    let tokens = 0;
    const request = { prompt: "Tom has 12 apples and buys 5 more.", adapter, maxTokens, ignoreEos: true };
    for await (const event of engine.generate(request)) if (event.type === "token") tokens++;
    return tokens;
  };
  const counts = await Promise.all(adapters.map(({ name }) => ask(name)));
  return (1000 * counts.reduce((sum, count) => sum + count, 0)) / (performance.now() - begun);
}
