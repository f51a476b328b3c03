// Threads that merge: what they give is what one thread gives, to the last bit, and what goes wrong there is heard here.

import assert from "node:assert/strict";
import { test } from "node:test";
import { mergedLora } from "../../composition/merge/job.ts";
import { type MergeOptions, mergeAdapters, planMerge } from "../../composition/merge/merge.ts";
import type { MergeCrew } from "../../engine/merge_crew.ts";
import type { LoraModuleName } from "../../files/families/modules.ts";
import { openMergeCrew } from "../../node/merge_crew.ts";
import { adapterOf, loraModule, SMALL } from "../files/lora/synthetic.ts";
import { raises } from "../raises.ts";

const LARGE = { ...SMALL, hiddenSize: 1024, intermediateSize: 2048, numLayers: 2 };

function adapter(name: string, seed: number, rank: number) {
  const module = (key: LoraModuleName) => {
    const lora = loraModule(key, rank, 1);
    const random = (count: number, k: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(seed + i * k));
    return { ...lora, a: random(rank * 1024, 0.37), b: random(2048 * rank, 1.3) };
  };
  // Views into one buffer, as files are read.
  const whole = new Float32Array(64 + rank * 1024);
  const gate = module("gate_proj");
  whole.set(gate.a, 64);
  return adapterOf(name, [
    { gate_proj: { ...gate, a: whole.subarray(64) }, up_proj: module("up_proj") },
    { up_proj: module("up_proj") },
  ]);
}

const ADAPTERS = [adapter("one", 1, 4), adapter("two", 2, 3)];
const OPTIONS: MergeOptions = { method: "dare_ties_svd", weights: [1, 0.5], seed: 3 };

test("each matrix comes back as this thread makes it, from however many threads", async () => {
  const plan = planMerge(ADAPTERS, LARGE, OPTIONS);
  const jobs = plan.places.map(plan.jobOf);
  const here = jobs.map(mergedLora);
  for (const threads of [1, 3]) {
    const crew = openMergeCrew(threads);
    try {
      assert.equal(crew.width, threads);
      assert.deepEqual(await Promise.all(jobs.map((job) => crew.run(job))), here);
    } finally {
      crew.close();
    }
  }
  // What was sent is still here.
  assert.equal(ADAPTERS[0].layers[0].gate_proj!.a.length, 4096);
});

test("a merge opens the threads it is given where the work is worth them, ends them, and is the same", async () => {
  const seen = { opened: 0, closed: 0, run: 0, done: [] as number[] };
  const openCrew = (): MergeCrew => {
    const crew = openMergeCrew(2);
    seen.opened++;
    return {
      width: crew.width,
      run: (job) => {
        seen.run++;
        return crew.run(job);
      },
      close: () => {
        seen.closed++;
        crew.close();
      },
    };
  };
  const alone = await mergeAdapters(ADAPTERS, LARGE, OPTIONS);
  const onPlace = (done: number) => seen.done.push(done);
  assert.deepEqual(await mergeAdapters(ADAPTERS, LARGE, OPTIONS, { openCrew, onPlace }), alone);
  assert.deepEqual(seen, { opened: 1, closed: 1, run: 3, done: [1, 2, 3] });
  await mergeAdapters(ADAPTERS, LARGE, { method: "cat" }, { openCrew });
  assert.equal(seen.opened, 1);
});

test("an interrupted merge ends its threads", async () => {
  const stop = new AbortController();
  let closed = 0;
  const openCrew = () => {
    const crew = openMergeCrew(1);
    return {
      ...crew,
      close: () => {
        closed++;
        return crew.close();
      },
    };
  };
  const run = { openCrew, signal: stop.signal, onPlace: () => stop.abort() };
  await raises("cancelled", /interrupted/, () => mergeAdapters(ADAPTERS, LARGE, OPTIONS, run));
  assert.equal(closed, 1);
});

test("numbers that cannot be merged are refused by the thread as they are here", async () => {
  const plan = planMerge(ADAPTERS, LARGE, { method: "tsv" });
  const job = plan.jobOf(plan.places[0]);
  const [first, ...rest] = job.task.loras;
  const broken = { ...first, b: first.b.slice().fill(Number.NaN) };
  const bad = { ...job, task: { ...job.task, loras: [broken, ...rest] } };
  assert.throws(() => mergedLora(bad), RangeError);
  const crew = openMergeCrew(1);
  try {
    await assert.rejects(crew.run(bad), RangeError);
    // The thread goes on.
    assert.deepEqual(await crew.run(job), mergedLora(job));
  } finally {
    crew.close();
  }
});
