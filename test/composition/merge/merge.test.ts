// Merging against PEFT (test/fixtures/scripts/merge.py), and against the field's sheet of numbers.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { matrixOf, rowOf } from "../../../composition/linear/matrix.ts";
import { svd } from "../../../composition/linear/svd.ts";
import type { Combination } from "../../../composition/merge/combine.ts";
import { rescaledByOutputs } from "../../../composition/merge/darex.ts";
import { type MergeMethod, type MergeTuning, settleTuning } from "../../../composition/merge/options.ts";
import { clamped } from "../../../composition/merge/peft.ts";
import { mergePlace, type PlaceTask, wholeOf } from "../../../composition/merge/place.ts";
import type { LoraModule } from "../../../files/lora/adapter.ts";
import { assertClose, assertNear } from "../linear/near.ts";

interface PeftCase {
  method: MergeMethod;
  adapters: { a: number[][]; b: number[][]; scale: number }[];
  weights: number[];
  options: { density?: number; majority_sign_method?: "total" | "frequency"; svd_rank?: number };
  masks: string[];
  delta: number[][];
}

const CASES: PeftCase[] = JSON.parse(
  readFileSync(join(process.cwd(), "test/fixtures/composition/peft_merge.json"), "utf8"),
);

const F: LoraModule[] = [
  lora(
    [
      [1, -2, 3],
      [0.5, 4, -1],
    ],
    [
      [1, 2],
      [-3, 0.5],
    ],
    2,
  ),
  lora(
    [
      [2, 1, -1.5],
      [-4, 0.25, 3.5],
    ],
    [
      [0.75, -1],
      [2, 1.5],
    ],
    1,
  ),
];
const W = [2, 0.25];

function lora(a: number[][], b: number[][], scale: number): LoraModule {
  return { rank: a.length, scale, a: Float32Array.from(a.flat()), b: Float32Array.from(b.flat()) };
}

function taskOf(loras: readonly LoraModule[], weights: readonly number[]): PlaceTask {
  return {
    place: { layer: 0, modules: ["q_proj"], path: "model.layers.0.self_attn.q_proj", loras },
    loras,
    adapters: loras.map((_, i) => i),
    weights,
    highestRank: Math.max(...loras.map(({ rank }) => rank)),
    inputs: undefined,
  };
}

function merged(
  method: MergeMethod,
  loras: readonly LoraModule[],
  weights: readonly number[],
  tuning: MergeTuning = {},
) {
  return wholeOf(mergePlace(method, taskOf(loras, weights), settleTuning(method, tuning)));
}

for (const method of new Set(CASES.map((one) => one.method))) {
  test(`${method} as PEFT's add_weighted_adapter`, () => {
    for (const { adapters, weights, options, masks, delta } of CASES.filter((one) => one.method === method)) {
      const loras = adapters.map(({ a, b, scale }) => lora(a, b, scale));
      const tuning: MergeTuning = {
        ...(options.density === undefined ? {} : { density: options.density }),
        ...(options.majority_sign_method === undefined ? {} : { majoritySign: options.majority_sign_method }),
        ...(options.svd_rank === undefined ? {} : { rank: options.svd_rank }),
      };
      // PEFT draws all masks of A before those of B.
      const task: PlaceTask = {
        ...taskOf(loras, weights),
        masks: (factor) => (t) => Uint8Array.from(masks[factor === "b" ? loras.length + t : t], Number),
      };
      const got = wholeOf(mergePlace(method, task, settleTuning(method, tuning)));
      assertNear(got, delta, 1e-5, JSON.stringify({ weights, options }));
      // Everything is float64 but for the factors' float32, which are the same on both sides.
      assertNear(got, delta, 1e-9, JSON.stringify({ weights, options }));
    }
  });
}

test("fixture F: every combination of the sheet", () => {
  const linear = [
    [3.625, 20.125, 11.59375],
    [-16.75, 31.71875, -26.6875],
  ];
  const cat = [
    [9.375, 24.125, 2.84375],
    [-11.5, 32.59375, -37.4375],
  ];
  assertNear(merged("linear", F, W), linear, 1e-12);
  for (const method of ["cat", "svd", "task_arithmetic"] as const) assertNear(merged(method, F, W), cat, 1e-12, method);
  const ties = [
    [-8, 32, 7],
    [-7.5, 30, -34.6875],
  ];
  assertNear(merged("ties", F, W, { density: 0.5 }), ties, 1e-12);
  const frequency = [
    [-8, 32, 7],
    [-0.5, 2, 7.3125],
  ];
  assertNear(merged("ties", F, W, { density: 0.5, majoritySign: "frequency" }), frequency, 1e-12);
  assertNear(
    merged("magnitude_prune", F, W, { density: 0.5 }),
    [
      [-8, 32, 7],
      [-6.5, 26, -28.6875],
    ],
    1e-12,
  );
  const tiesSvd = [
    [1.375, 24, -1.15625],
    [0, 16.296875, -38],
  ];
  assertNear(merged("ties_svd", F, W, { density: 0.5 }), tiesSvd, 1e-12);
  const pruned = [
    [1.375, 24, -1.15625],
    [0, 32.59375, -38],
  ];
  assertNear(merged("magnitude_prune_svd", F, W, { density: 0.5 }), pruned, 1e-12);
  const mergekit = [
    [5.5, 12, -4.625],
    [0, 14.48611111111111, -19],
  ];
  assertNear(merged("mergekit_ties", F, W, { density: 0.5 }), mergekit, 1e-12);
});

test("fixture F: what svd at rank 1 loses is the second singular value", () => {
  const [full, first] = [merged("svd", F, W), merged("svd", F, W, { rank: 1 })];
  const missing = Math.hypot(...full.data.map((value, i) => value - first.data[i]));
  assertClose([missing], [22.811169739124402], 1e-12);
});

test("the sheet's traps: linear doubles copies, cat does not; weight 1 alone is the identity", () => {
  const copies = [F[0], F[0]];
  const delta = [
    [4, 12, 2],
    [-5.5, 16, -19],
  ];
  assertNear(
    merged("linear", copies, [0.5, 0.5]),
    delta.map((row) => row.map((value) => 2 * value)),
    1e-12,
  );
  assertNear(merged("cat", copies, [0.5, 0.5]), delta, 1e-12);
  assertNear(merged("linear", [F[0]], [1]), delta, 1e-12);
});

const G: LoraModule[] = [
  lora([[1, 0, 0, 0]], [[3], [0], [0], [0]], 1),
  lora([[0.8, 0, 0.6, 0]], [[1.2], [1.6], [0], [0]], 1),
];

test("fixture G: Task Singular Vectors", () => {
  const got = merged("tsv", G, [1, 1]);
  assertClose(rowOf(got, 0), [2.828427, 0, -Math.SQRT1_2, 0], 1e-6);
  assertClose(rowOf(got, 1), [0, 0, 2.12132, 0], 1e-6);
  assertClose(svd(got).s.slice(0, 2), [3, 2], 1e-7);
  assertClose(svd(merged("task_arithmetic", G, [1, 1])).s.slice(0, 2), [4.278659, 0.673108], 1e-6);
});

test("fixture G: KnOTS, and its plain sum is task arithmetic", () => {
  const got = merged("knots", G, [1, 1], { density: 1 });
  assertClose(rowOf(got, 0), [1.788281, 0, 0.72, 0], 1e-6);
  assertClose(rowOf(got, 1), [1.471075, 0, 0.96, 0], 1e-6);
  assertClose(merged("knots", G, [1, 0.5], { inner: "linear" }).data, merged("cat", G, [1, 0.5]).data, 1e-12);
});

test("DAREx-q: the sheet's mask and texts", () => {
  const inputs = matrixOf(3, 3, [1, 0, 2, 0.5, 1, -1, -0.25, 1, 0.5]);
  const mask = Uint8Array.from([1, 0, 0, 0, 0, 1]);
  const delta = { b: matrixOf(2, 2, [2, 4, -6, 1]), a: matrixOf(2, 3, [1, -2, 3, 0.5, 4, -1]) };
  const got = rescaledByOutputs([delta], [1], { density: 1 / 3, lambda: 1, masks: () => mask, inputs });
  assertClose(got.data, [4 * 0.8164992, 0, 0, 0, 0, -19 * 0.8164992], 1e-7);
});

test("LoRA-LEGO: every rank its own cluster is cat; copies in as many clusters as ranks are one copy", () => {
  const mixed = [...G, F[0]].map(({ rank, scale }, i) => ({
    rank,
    scale,
    a: Float32Array.from({ length: rank * 5 }, (_, k) => Math.sin(3 * k + i)),
    b: Float32Array.from({ length: rank * 4 }, (_, k) => Math.cos(2 * k + i)),
  }));
  const cat = merged("cat", mixed, [1, -2, 0.5]);
  assertClose(merged("lego", mixed, [1, -2, 0.5], { rank: 4 }).data, cat.data, 1e-6);
  const copies = merged("lego", [mixed[2], mixed[2], mixed[2]], [1, 1, 1]);
  assertClose(copies.data, merged("cat", [mixed[2]], [1]).data, 1e-6);
  for (const reweight of [false, true]) {
    const [one, two] = [1, 1].map((seed) => merged("lego", mixed, [1, 1, 1], { rank: 2, reweight, seed }));
    assert.deepEqual(one, two);
    assert.ok(svd(one).s[2] < 1e-12);
  }
});

test("Task Singular Vectors: copies of one adapter give that adapter; compression keeps the largest triples", () => {
  assertNear(
    merged("tsv", [F[0], F[0], F[0]], [1, 1, 1]),
    [
      [4, 12, 2],
      [-5.5, 16, -19],
    ],
    1e-9,
  );
  const kept = svd(merged("tsv_compress", F, [1, 0], { rank: 2 }));
  assertClose(kept.s, [26.095116, 0], 1e-7);
});

test("a seed draws the same masks, another one others; pruning keeps the floor of what the density says", () => {
  for (const method of ["dare_linear", "dare_ties_svd", "mergekit_dare_linear"] as const) {
    const draw = (seed: number) => merged(method, F, [1, 1], { seed }).data;
    assert.deepEqual(draw(1), draw(1));
    assert.notDeepEqual(draw(1), draw(2));
  }
  // ⌊.6 · 6⌋ = 3 entries of the delta
  const { data } = merged("mergekit_ties", [F[0]], [1], { density: 0.6 });
  assert.equal(data.filter((value) => value !== 0).length, 3);
});

test("mergekit's DARE keeps the expectation: many masks average to the plain sum", () => {
  const sum = new Float64Array(6);
  const draws = 4000;
  for (let seed = 0; seed < draws; seed++) {
    merged("mergekit_dare_linear", F, W, { seed, density: 0.4 }).data.forEach((value, i) => {
      sum[i] += value / draws;
    });
  }
  assertClose(sum, merged("cat", F, W).data, 0.05);
});

test("svd_clamp limits both factors at their common quantile, as torch.quantile counts it", () => {
  const { b, a } = clamped({ b: matrixOf(1, 3, [-4, 1, 2]), a: matrixOf(2, 1, [3, -5]) }, 0.7);
  // Sorted −5 −4 1 2 3: position 2.8
  assertClose([...b.data, ...a.data], [-1.8, 1, 1.8, 1.8, -1.8], 1e-12);
});

test("every combination is reachable in the shared basis", () => {
  for (const inner of ["linear", "ties", "dare_linear", "dare_ties", "magnitude_prune"] satisfies Combination[]) {
    const { data } = merged("knots", F, W, { inner });
    assert.ok(data.some((value) => value !== 0) && data.every(Number.isFinite), inner);
  }
});
