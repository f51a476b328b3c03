// Whole adapters merged: unions of modules, mixed ranks, fused matrices, refusals, and what no merge may form.

import assert from "node:assert/strict";
import { test } from "node:test";
import { deltaOf } from "../../../composition/deltas.ts";
import { product } from "../../../composition/linear/factored.ts";
import { type MergeOptions, mergeAdapters } from "../../../composition/merge/merge.ts";
import { METHOD_NAMES, type MergeMethod } from "../../../composition/merge/options.ts";
import { refuseOtherBases } from "../../../composition/provenance.ts";
import type { ModelConfig } from "../../../files/families/config.ts";
import type { LoraModuleName } from "../../../files/families/modules.ts";
import type { Adapter, LoraModule } from "../../../files/lora/adapter.ts";
import { adapterOf, loraModule, SMALL } from "../../files/lora/synthetic.ts";
import { raises } from "../../raises.ts";
import { assertClose } from "../linear/near.ts";

function adapter(name: string, modules: Partial<Record<LoraModuleName, [rank: number, scale: number]>>[]): Adapter {
  const layers = modules.map((layer) =>
    Object.fromEntries(
      Object.entries(layer).map(([module, [rank, scale]]) => [
        module,
        loraModule(module as LoraModuleName, rank, scale),
      ]),
    ),
  );
  return adapterOf(name, layers);
}

const ONE = adapter("one", [{ q_proj: [2, 1], down_proj: [2, 0.5] }, {}]);
const TWO = adapter("two", [{ q_proj: [3, 2] }, { up_proj: [3, 1] }]);

const deltaAt = (lora: LoraModule | undefined) => product(deltaOf(lora!)).data;
const merged = (options: MergeOptions, adapters = [ONE, TWO]) => mergeAdapters(adapters, SMALL, options);

test("modules are united, ranks may differ, and a module uses only the adapters that have it", async () => {
  const { layers, report } = await merged({ method: "cat", weights: [2, -1] });
  const sum = deltaAt(ONE.layers[0].q_proj).map((value, i) => 2 * value - deltaAt(TWO.layers[0].q_proj)[i]);
  assertClose(deltaAt(layers[0].q_proj), sum, 1e-6);
  assertClose(
    deltaAt(layers[0].down_proj),
    deltaAt(ONE.layers[0].down_proj).map((value) => 2 * value),
    1e-6,
  );
  assertClose(
    deltaAt(layers[1].up_proj),
    deltaAt(TWO.layers[1].up_proj).map((value) => -value),
    1e-6,
  );
  assert.deepEqual(Object.keys(layers[1]), ["up_proj"]);
  assert.deepEqual([report.places, report.ranks], [3, [2, 3, 5]]);
  assert.ok(layers.flatMap((layer) => Object.values(layer)).every(({ scale }) => scale === 1));
});

test("every method that takes mixed ranks gives finite deltas and says its rank", async () => {
  const equal: readonly string[] = ["linear", "ties", "dare_linear", "dare_ties", "magnitude_prune", "darex"];
  for (const method of METHOD_NAMES.filter((name) => !equal.includes(name))) {
    const { layers, report } = await merged({ method });
    const modules = layers.flatMap((layer) => Object.values(layer));
    assert.equal(modules.length, 3, method);
    assert.ok(
      modules.every(({ a, b }) => [...a, ...b].every(Number.isFinite)),
      method,
    );
    assert.deepEqual(
      report.ranks,
      [...new Set(modules.map(({ rank }) => rank))].sort((x, y) => x - y),
    );
  }
});

test("matrices that hold several modules are merged as one, and their parts share A", async () => {
  const config: ModelConfig = { ...SMALL, architecture: "Phi3ForCausalLM" };
  const fused = (seed: number): Adapter => {
    const up = loraModule("up_proj", 2, seed);
    return adapterOf(`fused${seed}`, [
      { gate_proj: { ...loraModule("gate_proj", 2, seed), a: up.a }, up_proj: up },
      {},
    ]);
  };
  const both = [fused(1), fused(2)];
  const { layers } = await mergeAdapters(both, config, { method: "ties", density: 1 });
  assert.equal(layers[0].gate_proj?.a, layers[0].up_proj?.a);
  assert.equal(layers[0].up_proj?.rank, 2);
  const { layers: exact } = await mergeAdapters(both, config, { method: "svd", rank: 4 });
  const sum = deltaAt(both[0].layers[0].up_proj).map((value, i) => value + deltaAt(both[1].layers[0].up_proj)[i]);
  assertClose(deltaAt(exact[0].up_proj), sum, 1e-6);
});

test("what cannot be is refused, with a reason", async () => {
  const refused = (code: Parameters<typeof raises>[0], reason: RegExp, options: MergeOptions, adapters = [ONE, TWO]) =>
    raises(code, reason, () => merged(options, adapters));
  await refused("bad_arguments", /ties needs equal ranks; at model.layers.0.self_attn.q_proj they are one 2, two 3/, {
    method: "ties",
  });
  await refused("bad_arguments", /cat has no density/, { method: "cat", density: 0.5 });
  await refused("bad_arguments", /density 0 is not/, { method: "ties_svd", density: 0 });
  await refused("bad_arguments", /3 weights for 2 adapters/, { method: "cat", weights: [1, 2, 3] });
  await refused("bad_arguments", /there is no adapter/, { method: "cat" }, []);
  await refused("bad_arguments", /darex rescales by what texts show/, { method: "darex" });
  await refused("adapter_no_effect", /changes nothing/, { method: "svd", weights: [1, -1] }, [ONE, ONE]);
  const cancelled = AbortSignal.abort();
  await raises("cancelled", /interrupted/, () => mergeAdapters([ONE], SMALL, { method: "cat" }, { signal: cancelled }));
});

test("what is no product of two factors is refused by name: DoRA, changed rows, activated LoRA", async () => {
  const plain = loraModule("q_proj", 2, 1);
  const ones = new Float32Array(plain.b.length / plain.rank).fill(1);
  const dora = adapterOf("dora", [{ q_proj: { ...plain, unsettled: { magnitude: ones } } }, {}]);
  const rows = adapterOf("rows", [{ q_proj: { ...plain, rows: { gain: ones, shift: ones } } }, {}]);
  const worded = { ...adapterOf("worded", [{ q_proj: plain }, {}]), vocabulary: { size: 8, hash: "" } };
  const activated = { ...adapterOf("late", [{ q_proj: plain }, {}]), invocation: [1] };
  for (const [adapter, reason] of [
    [dora, /"dora" is a DoRA/],
    [rows, /"rows" changes rows/],
    [activated, /"late" acts/],
    [worded, /"worded" has an embedding or an output head/],
  ] as const) {
    await raises("adapter_unsupported", reason, () => merged({ method: "cat" }, [ONE, adapter]));
  }
});

test("one adapter alone is weighted, as in PEFT; a rank that is asked for compresses it", async () => {
  for (const method of ["ties_svd", "dare_linear", "svd"] satisfies MergeMethod[]) {
    const { layers, report } = await merged({ method, weights: [0.5] }, [ONE]);
    assertClose(
      deltaAt(layers[0].q_proj),
      deltaAt(ONE.layers[0].q_proj).map((value) => value / 2),
      1e-6,
    );
    assert.match(report.warnings.join(), /only weighted/);
  }
  const { report } = await merged({ method: "svd", rank: 1 }, [ONE]);
  assert.deepEqual(report.ranks, [1]);
});

test("adapters of other bases are refused; copies of a base in other precisions are that base", () => {
  const made = (name: string, baseModel: string | undefined) => ({ name, baseModel, trainedOn: undefined });
  const one = made("a", "org/Llama-3-8B");
  refuseOtherBases([
    one,
    made("b", "unsloth/llama-3-8b-bnb-4bit"),
    made("c", undefined),
    made("d", "/data/Llama-3-8B/"),
  ]);
  assert.throws(() => refuseOtherBases([one, made("b", "org/Llama-3-70B")]), { code: "adapter_mismatch" });
});

test("where an exact low-rank form exists, no array is as large as a whole matrix", async () => {
  const config: ModelConfig = { ...SMALL, hiddenSize: 640, numHeads: 10, headDim: 64, numKvHeads: 10, numLayers: 1 };
  const wide = [3, 2].map((rank, i) => adapterOf(`${i}`, [{ q_proj: loraModule("q_proj", rank, 1, config) }]));
  const original = Float64Array;
  let largest = 0;
  // Every float64 array that is made passes here, views apart.
  globalThis.Float64Array = new Proxy(original, {
    construct(target, args, made) {
      if (typeof args[0] === "number") largest = Math.max(largest, args[0]);
      return Reflect.construct(target, args, made);
    },
  });
  try {
    for (const method of [
      "cat",
      "svd",
      "tsv",
      "tsv_compress",
      "knots",
      "lego",
      "task_arithmetic",
    ] satisfies MergeMethod[]) {
      await mergeAdapters(wide, config, { method });
    }
    assert.ok(largest > 640 && largest < 640 * 640, `${largest}`);
    await mergeAdapters(wide, config, { method: "mergekit_ties", rank: 1 });
    assert.ok(largest >= 640 * 640, "a method on whole deltas is seen");
  } finally {
    globalThis.Float64Array = original;
  }
});
