// What a further engine of a base costs that is loaded: time until it serves, bytes of the device, memory of the process.
// Usage: node dist/perf/backbones.js [--model FILE] [--engines N]

import { parseArgs } from "node:util";
import { Engine } from "../node/index.ts";

const { values } = parseArgs({
  options: { model: { type: "string", default: "smollm2" }, engines: { type: "string", default: "4" } },
});
const POOL = 128 * 2 ** 20;

const MB = (bytes: number) => `${(bytes / 1e6).toFixed(0).padStart(5)} MB`;

async function loaded(name: string): Promise<Engine> {
  const before = process.memoryUsage.rss();
  const begun = performance.now();
  const engine = await Engine.load({ model: values.model, poolBytes: POOL });
  const ms = performance.now() - begun;
  await firstToken(engine);
  const first = performance.now() - begun;
  const own = MB(engine.deviceBytes - engine.baseBytes);
  const rss = MB(process.memoryUsage.rss() - before);
  console.log(
    `${name.padEnd(10)} ${ms.toFixed(0).padStart(6)} ms, first token after ${first.toFixed(0).padStart(6)} ms; ` +
      `base ${MB(engine.baseBytes)}, own ${own}, resident ${rss}`,
  );
  return engine;
}

async function firstToken(engine: Engine): Promise<void> {
  const ids = Array.from({ length: 24 }, (_, i) => 20 + i);
  for await (const _ of engine.generate({ ids, maxTokens: 1, ignoreEos: true }));
}

const engines = [await loaded("first")];
for (let i = 1; i < Number(values.engines); i++) engines.push(await loaded(`engine ${i + 1}`));
for (const engine of engines) await engine.close();
