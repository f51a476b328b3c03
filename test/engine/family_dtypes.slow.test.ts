// A tiny model of every family with its dense weights held in f16, q8_0 and q4_0, and its keys and values in f16, on the CPU.
// q8_0 and q4_0: the numbers are those of transformers on weights that went through the package gguf's (requantised.py).
// f16: the weights are bf16, which it holds but for the smallest; there the mean loss stays near float32's.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import type { EngineOptions } from "../../engine/options.ts";
import { FAMILY_MODELS } from "./families.ts";
import { collect, type Fixture, openEngine } from "./parity.ts";

const REQUANTISED: Record<string, Record<string, number[][]>> = JSON.parse(
  readFileSync("test/fixtures/families/requantised.json", "utf8"),
);
/** Nats, of any token. */
const TOKEN = 5e-3;
/** Nats, of a text's mean. */
const LOSS = { weights: 1e-4, kv: 2e-3 };

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

for (const model of readdirSync(FAMILY_MODELS)) {
  const folder = `${FAMILY_MODELS}/${model}`;
  const fixture: Fixture & { context: number } = JSON.parse(readFileSync(`${folder}/expected.json`, "utf8"));
  const plain = fixture.uses[0]!.rows.map(({ logprobs }) => logprobs);

  async function logprobs(held: Pick<EngineOptions, "dtype" | "kvDtype">): Promise<number[][]> {
    const fixed = { model: folder, contextLength: fixture.context, activations: "f32", device: "cpu" } as const;
    const engine = await openEngine({ ...fixture, uses: [] }, {}, { ...fixed, ...held });
    try {
      const found: number[][] = [];
      for (const { ids } of fixture.prompts) {
        const { done } = await collect(engine, { ids, maxTokens: 0, promptLogprobs: 1 });
        found.push(done.promptLogprobs!.map(({ logprob }) => logprob));
      }
      return found;
    } finally {
      await engine.close();
    }
  }

  for (const dtype of ["q8_0", "q4_0"] as const) {
    test(`${model} held in ${dtype} computes what transformers does on those weights`, async () => {
      const expected = REQUANTISED[model]![dtype]!;
      const found = await logprobs({ dtype });
      const errors = found.flatMap((row, i) => row.map((logprob, t) => Math.abs(logprob - expected[i]![t]!)));
      const loss = Math.abs(mean(found.flat()) - mean(plain.flat()));
      console.log(
        `${model}, ${dtype}: off by ${Math.max(...errors).toExponential(1)}, from float32's loss by ${loss.toFixed(3)} nats`,
      );
      assert.ok(Math.max(...errors) <= TOKEN);
      assert.ok(loss > 1e-4, "nothing was rounded");
    });
  }

  test(`${model} held in f16, and with keys and values in f16, stays near float32`, async () => {
    const off = async (held: Pick<EngineOptions, "dtype" | "kvDtype">) =>
      Math.abs(mean((await logprobs(held)).flat()) - mean(plain.flat()));
    const [weights, kv] = [await off({ dtype: "f16" }), await off({ dtype: "f32", kvDtype: "f16" })];
    console.log(`${model}: off by ${weights.toExponential(1)} in f16, ${kv.toExponential(1)} with KV in f16`);
    assert.ok(weights <= LOSS.weights && kv <= LOSS.kv);
  });
}
