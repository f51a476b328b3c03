// Every loader on damaged files: it reads them or refuses them with a typed error, within a second, and without more memory
// than twice the file. MOLORA_FUZZ_RUNS says how many inputs a kind of file gets (default: what two seconds a file allow),
// MOLORA_FUZZ_SEED where they begin; a failure names the seed of its input.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TemplateSyntaxError } from "../../../engine/text/jinja/lexer.ts";
import { RaisedByTemplate } from "../../../engine/text/jinja/template.ts";
import { TemplateRuntimeError } from "../../../engine/text/jinja/values.ts";
import { MoloraError } from "../../../proto/errors.ts";
import { Draw } from "./damage.ts";
import { LOADERS, type Loader } from "./loaders.ts";

const RUNS = Number(process.env.MOLORA_FUZZ_RUNS ?? Number.POSITIVE_INFINITY);
const SEED = Number(process.env.MOLORA_FUZZ_SEED ?? 20);
const BOX_MS = process.env.MOLORA_FUZZ_RUNS === undefined ? 2000 : Number.POSITIVE_INFINITY;
/** By the processor's time, so that other work beside it is no hang. */
const HANGS_MS = 1000;
/** What a load needs whatever the file: code, caches, and what the collector has not taken yet. */
const SLACK = 64 * 2 ** 20;

const isTyped = (error: unknown) =>
  (MoloraError.is(error) && error.code !== "internal") ||
  error instanceof TemplateSyntaxError ||
  error instanceof TemplateRuntimeError ||
  error instanceof RaisedByTemplate;

interface Outcome {
  loaded: boolean;
  ms: number;
  memory: number;
}

async function outcome({ bytes, open }: ReturnType<Loader["input"]>): Promise<Outcome> {
  const held = process.memoryUsage();
  const used = process.cpuUsage();
  let loaded = true;
  try {
    await open();
  } catch (error) {
    if (!isTyped(error)) throw error;
    loaded = false;
  }
  const spent = process.cpuUsage(used);
  const now = process.memoryUsage();
  const memory = now.arrayBuffers + now.heapUsed - held.arrayBuffers - held.heapUsed - 2 * bytes;
  return { loaded, ms: (spent.user + spent.system) / 1000, memory };
}

const kindOf = ({ name }: Loader) => name.split(":")[0];

for (const [i, loader] of LOADERS.entries()) {
  const most = Math.ceil(RUNS / LOADERS.filter((other) => kindOf(other) === kindOf(loader)).length);
  test(`${loader.name}`, async () => {
    const end = performance.now() + BOX_MS;
    let [runs, loaded, slowest] = [0, 0, 0];
    while (runs < most && performance.now() < end) {
      const seed = SEED + i * 1_000_003 + runs;
      try {
        const found = await outcome(loader.input(new Draw(seed)));
        assert.ok(found.ms < HANGS_MS, `${found.ms} ms`);
        assert.ok(found.memory < SLACK, `${found.memory} bytes`);
        slowest = Math.max(slowest, found.ms);
        if (found.loaded) loaded++;
      } catch (error) {
        assert.fail(`seed ${seed}: ${(error as Error).stack}`);
      }
      runs++;
    }
    console.log(`${loader.name}: ${runs} inputs, ${loaded} of them loaded, the slowest in ${slowest.toFixed(0)} ms`);
    // Both ways out must have been taken, or the inputs test nothing.
    assert.ok(loaded > 0 && loaded < runs);
  });
}
