// engine.merge on a running engine: the result serves at once, as the stack it equals, and as PEFT serves it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Engine } from "../../node/index.ts";
import type { Routing } from "../../proto/api.ts";
import { raises } from "../raises.ts";

const ADAPTERS = "test/fixtures/tiny/adapters";
const IDS = Array.from({ length: 24 }, (_, i) => 20 + ((i * 37) % 280));
let engine: Engine;

before(async () => {
  engine = await Engine.load({
    model: "test/fixtures/tiny/base",
    adapters: { r2: `${ADAPTERS}/r2`, r3: `${ADAPTERS}/r3`, r8: `${ADAPTERS}/r8`, partial: `${ADAPTERS}/partial` },
  });
});
after(() => engine.close());

async function logprobs(routing: Routing): Promise<number[]> {
  for await (const event of engine.generate({ ...routing, ids: IDS, maxTokens: 0, promptLogprobs: 1 })) {
    if (event.type === "done") return event.promptLogprobs!.map(({ logprob }) => logprob);
  }
  throw new Error("no last event");
}

function assertAlike(got: number[], expected: readonly number[], tolerance: number, what: string): void {
  assert.equal(got.length, expected.length);
  for (const [i, value] of got.entries()) {
    assert.ok(Math.abs(value - expected[i]) < tolerance, `${what}, token ${i}: ${value}, expected ${expected[i]}`);
  }
}

test("a merge serves under its name, beside requests that run, and equals the stack where it is exact", async () => {
  const adapters = [{ name: "r2", weight: 0.5 }, { name: "r3", weight: -1 }, { name: "partial" }];
  const running = logprobs({ adapter: "r8" });
  const { adapter, merge } = await engine.merge("all", { method: "cat", adapters });
  assert.deepEqual(
    [adapter.name, merge.method, merge.adapters.map(({ weight }) => weight)],
    ["all", "cat", [0.5, -1, 1]],
  );
  const stack = await logprobs({
    adapters: [
      { id: "r2", weight: 0.5 },
      { id: "r3", weight: -1 },
      { id: "partial", weight: 1 },
    ],
  });
  assertAlike(await logprobs({ adapter: "all" }), stack, 1e-4, "cat");
  assertAlike(await running, await logprobs({ adapter: "r8" }), 1e-6, "the request beside it");
  assert.ok(engine.listAdapters().some(({ name, hash }) => name === "all" && hash === adapter.hash));
});

test("the same merge has the same hash; names that are not loaded, taken or wrong are refused", async () => {
  const request = { method: "ties_svd", adapters: [{ name: "r2" }, { name: "r8" }], density: 0.4 } as const;
  const [one, two] = [await engine.merge("one", request), await engine.merge("two", request)];
  assert.equal(one.adapter.hash, two.adapter.hash);
  await raises("unknown_adapter", /nothing/, () =>
    engine.merge("x", { method: "cat", adapters: [{ name: "nothing" }] }),
  );
  await raises("bad_request", /base/, () => engine.merge("base", { method: "cat", adapters: [{ name: "r2" }] }));
  await raises("bad_request", /cannot name/, () => engine.merge("a b", { method: "cat", adapters: [{ name: "r2" }] }));
});

interface PeftLogprobs {
  method: "svd" | "ties_svd" | "cat" | "magnitude_prune_svd";
  weights: number[];
  density?: number;
  /** Of PEFT's own merge, and of PEFT with the folder that molora wrote. */
  merged: number[];
  loaded: number[];
}

test("PEFT merges the same, and computes the same with the folder that was written here", async () => {
  const path = join(process.cwd(), "test/fixtures/composition/peft_logprobs.json");
  const cases: PeftLogprobs[] = JSON.parse(readFileSync(path, "utf8"));
  assert.ok(cases.length >= 4);
  for (const { method, weights, density, merged, loaded } of cases) {
    const adapters = ["r2", "r8", "partial"].map((name, i) => ({ name, weight: weights[i] }));
    await engine.merge("peft", { method, adapters, ...(density === undefined ? {} : { density }) });
    const got = await logprobs({ adapter: "peft" });
    assertAlike(got, merged, 1e-3, `${method}, PEFT's merge`);
    assertAlike(got, loaded, 1e-3, `${method}, PEFT with our folder`);
  }
});
