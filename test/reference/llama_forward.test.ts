// The float64 Llama against transformers' and PEFT's numbers: each side checks the other before kernels meet either.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { beliefFilter } from "../../cli/check/reference/belief_filter.ts";
import { mlpGate } from "../../cli/check/reference/mlp_gate.ts";
import { logSoftmax } from "../../cli/check/reference/softmax.ts";
import { topKGates } from "../../cli/check/reference/top_k_gates.ts";
import { arrowPrototype } from "./arrow_prototype.ts";
import { type LlamaRouting, llamaForward } from "./llama_forward.ts";
import { type TinyMixture, tinyAdapter, tinyLlama, tinyMixture } from "./tiny_llama.ts";

interface FixtureRow {
  prompt: string;
  safe: number;
  logprobs: number[];
  top_ids: number[][];
  top_logprobs: number[][];
  /** [layer][token][k] */
  experts?: number[][][];
}

interface FixtureUse {
  name: string;
  kind: "base" | "single" | "stacked" | "routed";
  adapter?: string;
  adapters?: { id: string; weight: number }[];
  mixture?: string;
  rows: FixtureRow[];
}

interface Fixture {
  prompts: { name: string; ids: number[] }[];
  uses: FixtureUse[];
}

const LIMIT = 1e-4;
/** The pass is causal: a sequence's beginning gives the whole's numbers, and float64 loops are slow. */
const TOKENS = 40;

function readFixture(name: string): Fixture {
  return JSON.parse(readFileSync(`test/fixtures/parity/${name}.json`, "utf8")) as Fixture;
}

/** A fixed stack, or a router whose kept experts are noted layer by layer. */
function routingOf(
  use: FixtureUse,
  ids: readonly number[],
  layers: number,
  kept: number[][][],
): LlamaRouting | undefined {
  if (use.kind === "base") return undefined;
  if (use.kind === "routed") return mixtureRouting(use.mixture ?? "", ids, layers, kept);
  const stack = use.adapters ?? [{ id: use.adapter ?? "", weight: 1 }];
  const loaded = stack.map(({ id }) => tinyAdapter(id, layers));
  const gates = ids.flatMap(() => stack.map(({ weight }) => weight));
  return { adapters: byLayer(loaded, layers), gates: () => gates };
}

function byLayer<T>(experts: readonly T[][], layers: number): T[][] {
  return Array.from({ length: layers }, (_, i) => experts.map((expert) => expert[i]));
}

function mixtureRouting(name: string, ids: readonly number[], layers: number, kept: number[][][]): LlamaRouting {
  const { mixture, gates } = tinyMixture(name, layers);
  const { router, experts } = mixture;
  const none = Array.from({ length: layers }, () => ({}));
  const loaded = experts.map(({ adapter }) =>
    adapter === undefined ? none : tinyAdapter(adapter.split("/").at(-1) ?? "", layers),
  );
  const adapters = byLayer(loaded, layers);
  const logits = (layer: number, x: Float64Array): Float64Array => {
    if (router.type === "vocabulary") return vocabularyLogits(router, ids, experts.length);
    if (router.type === "uniform") return new Float64Array(ids.length * experts.length);
    if (router.type === "arrow") return arrowLogits(adapters[layer], x, x.length / ids.length);
    const z = mlpGate(x, gates[layer]);
    return router.belief === true ? beliefFilter(z, experts.length) : z;
  };
  const rule = { topK: router.top_k ?? 1, gate: router.gate ?? "unit", temperature: router.temperature ?? 1 };
  return {
    adapters,
    gates(layer, x) {
      const chosen = topKGates(logits(layer, x), experts.length, rule);
      kept[layer] = chosen.kept;
      return chosen.gates;
    },
  };
}

/** 0 for the expert of the token's range, -Infinity for all others. */
function vocabularyLogits(router: TinyMixture["router"], ids: readonly number[], experts: number): Float64Array {
  const logits = new Float64Array(ids.length * experts).fill(-Infinity);
  ids.forEach((id, t) => {
    const range = router.ranges.find(([from, to]) => id >= from && id < to);
    logits[t * experts + (range?.[2] ?? router.default)] = 0;
  });
  return logits;
}

function arrowLogits(experts: LlamaRouting["adapters"][number], x: Float64Array, d: number): Float64Array {
  const prototypes = experts.map(({ q_proj, k_proj, v_proj }) => {
    const pairs = [q_proj, k_proj, v_proj].filter((pair) => pair !== undefined);
    return pairs.length === 0 ? undefined : arrowPrototype(pairs, d);
  });
  return Float64Array.from({ length: (x.length / d) * experts.length }, (_, i) => {
    const row = Math.floor(i / experts.length) * d;
    const prototype = prototypes[i % experts.length];
    if (prototype === undefined) return -Infinity;
    return Math.abs(prototype.reduce((dot, value, j) => dot + value * x[row + j], 0));
  });
}

for (const [file, model] of [
  ["tiny", "base"],
  ["tiny_llama3", "llama3-f16"],
]) {
  const fixture = readFixture(file);
  const { shape, weights } = tinyLlama(model);
  for (const use of fixture.uses) {
    test(`log-probabilities of ${file}, ${use.name}`, () => {
      let compared = 0;
      for (const row of use.rows) {
        const whole = fixture.prompts.find(({ name }) => name === row.prompt)?.ids ?? [];
        const ids = whole.slice(0, Math.min(row.safe, TOKENS));
        const kept: number[][][] = [];
        const logits = llamaForward(ids, shape, weights, routingOf(use, ids, weights.layers.length, kept));
        for (let t = 0; t < ids.length; t++) {
          const logprobs = logSoftmax(logits.subarray(t * shape.vocabSize, (t + 1) * shape.vocabSize));
          const ours = row.top_ids[t].map((id) => logprobs[id]);
          const theirs = [...row.top_logprobs[t]];
          if (t < row.logprobs.length) {
            ours.push(logprobs[whole[t + 1]]);
            theirs.push(row.logprobs[t]);
          }
          const error = Math.max(...ours.map((value, i) => Math.abs(value - theirs[i])));
          assert.ok(error < LIMIT, `${row.prompt}, position ${t}: off by ${error}`);
          row.experts?.forEach((layer, i) => {
            assert.deepEqual(kept[i][t], layer[t], `${row.prompt}, position ${t}, layer ${i}`);
          });
          compared++;
        }
      }
      assert.ok(compared > 0, "the fixture has no position to compare");
    });
  }
}
