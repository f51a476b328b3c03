// What watching the agreement of adapters costs: of a step, what the watch itself takes; of a load, what a pair of generations takes
// beside the steps, and the longest it holds up the event loop.
// Usage: node dist/perf/agreement.js [model: nano|smollm2|PATH] [tokens: 64]

import { signSketch } from "../composition/agreement/sketch.ts";
import { AgreementWatch } from "../engine/requests/agreement_watch.ts";
import { loadAdapter } from "../files/lora/load.ts";
import { openModelFiles } from "../files/model_files/model_files.ts";
import { openPath } from "../node/files.ts";
import { Engine } from "../node/index.ts";
import { isPreset, openPreset } from "../node/presets.ts";
import type { Routing } from "../proto/api.ts";

const [model = "nano", tokensText = "64"] = process.argv.slice(2);
const tokens = Number(tokensText);
const stack = ["math", "sql", "medical", "code"].map((id) => ({ id, weight: 0.25 }));
const routings: Record<string, Routing> = {
  "a stack of four": { adapters: stack },
  "the mixture": { mixture: "default" },
};

// Every call of the watch is timed where the loop makes it.
let spent = 0;
const plain = AgreementWatch.prototype.tokenSampled;
AgreementWatch.prototype.tokenSampled = function (...given) {
  const begun = performance.now();
  plain.apply(this, given);
  spent += performance.now() - begun;
};

await timeSketches();
const engine = await Engine.load({ model });
try {
  for (const [title, routing] of Object.entries(routings)) {
    const first = await run(routing, 1);
    const stalls = watchLoop();
    // The pairs are worked out during these.
    const during = await run(routing, 8);
    const longest = stalls();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const quiet = watchLoop();
    const after = await run(routing, 8);
    const usual = quiet();
    const share = (100 * after.watch) / after.wall;
    console.log(
      `${title}: ${(after.wall / tokens).toFixed(2)} ms a step of 8 requests, the watch ${share.toFixed(3)} % of it`,
    );
    console.log(
      `  while pairs are worked out ${(during.wall / tokens).toFixed(2)} ms a step, longest turn of the event loop ${longest.toFixed(0)} ms, later ${usual.toFixed(0)} ms; the first request ${first.wall.toFixed(0)} ms`,
    );
  }
  const unwatched = await Engine.load({ model, agreementDrop: 0 });
  try {
    const run8 = async (one: Engine) => {
      const begun = performance.now();
      await Promise.all(Array.from({ length: 8 }, () => drain(one, { adapters: stack })));
      return (performance.now() - begun) / tokens;
    };
    await run8(unwatched);
    const [on, off]: [number[], number[]] = [[], []];
    for (let round = 0; round < 9; round++) {
      on.push(await run8(engine));
      off.push(await run8(unwatched));
    }
    console.log(
      `by turns, nine times, ms a step: watched ${median(on).toFixed(3)}, not watched ${median(off).toFixed(3)}`,
    );
  } finally {
    await unwatched.close();
  }
} finally {
  await engine.close();
}

async function run(routing: Routing, requests: number): Promise<{ wall: number; watch: number }> {
  spent = 0;
  const begun = performance.now();
  await Promise.all(Array.from({ length: requests }, () => drain(engine, routing)));
  return { wall: performance.now() - begun, watch: spent };
}

/**
 * What each adapter's signs take, once in its life, and the longest piece, for which it holds up the event loop: processor time, so
 * that what else the machine does is not in it.
 */
async function timeSketches(): Promise<void> {
  if (!isPreset(model)) return;
  const preset = await openPreset(model);
  const { config } = await openModelFiles(await openPath(preset.model));
  for (const [name, path] of Object.entries(preset.adapters)) {
    const { layers } = await loadAdapter(name, await openPath(path), config);
    let [all, longest] = [0, 0];
    const work = signSketch(layers.length, (layer) => layers[layer]);
    for (let done = false; !done; ) {
      const begun = process.cpuUsage();
      done = work.next().done === true;
      const { user, system } = process.cpuUsage(begun);
      const took = (user + system) / 1000;
      all += took;
      longest = Math.max(longest, took);
    }
    console.log(`${name}: signs in ${all.toFixed(0)} ms, the longest piece ${longest.toFixed(1)} ms`);
  }
}

async function drain(one: Engine, routing: Routing): Promise<void> {
  const request = { prompt: "How many singers are there?", maxTokens: tokens, ignoreEos: true, ...routing };
  for await (const _ of one.generate(request));
}

/** Until it is called: the longest time between two turns of the event loop, in milliseconds. */
function watchLoop(): () => number {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  return () => {
    clearInterval(timer);
    return longest;
  };
}

function median(values: number[]): number {
  return values.sort((x, y) => x - y)[Math.floor(values.length / 2)];
}
