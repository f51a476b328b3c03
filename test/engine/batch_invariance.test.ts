// A request's greedy tokens do not depend on what shares its batch: 32 requests of all modes, together and alone.
// The same engine then meets too few pages: preemption changes no token either.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Engine } from "../../engine/engine.ts";
import type { EngineOptions } from "../../engine/options.ts";
import { nodeHost } from "../../node/host.ts";
import type { GenerateRequest } from "../../proto/api.ts";
import { collect } from "./parity.ts";

const NANO = "models/nano";
const PROMPTS = [
  "How many singers are there?\nTable columns: age, name, singer",
  "Tom has 12 apples and buys 5 more. How many apples does he have now?",
  "What are the symptoms of asthma?",
  "Write a function that adds two numbers.",
];
const ROUTINGS: GenerateRequest[] = [
  {},
  { adapter: "math" },
  { adapter: "sql" },
  { adapter: "medical" },
  { adapter: "code" },
  {
    adapters: [
      { id: "math", weight: 0.7 },
      { id: "code", weight: 0.3 },
    ],
  },
  { mixture: "default" },
  { mixture: "arrow" },
];

/** 32 requests: every prompt in every mode, of different lengths, so that they end at different steps. */
const REQUESTS: GenerateRequest[] = ROUTINGS.flatMap((routing, r) =>
  PROMPTS.map((prompt, p) => ({ prompt, maxTokens: 8 + ((r + p) % 4) * 4, ignoreEos: true, ...routing })),
);

async function ids(engine: Engine, request: GenerateRequest): Promise<number[]> {
  return (await collect(engine, request)).tokens.map(({ id }) => id);
}

let alone: number[][];
let engine: Engine;

type Options = Pick<EngineOptions, "poolBytes" | "contextLength" | "prefixCache">;

function open(options: Options = {}): Promise<Engine> {
  const mixtures = { default: `${NANO}/mixtures/default`, arrow: "test/fixtures/mixtures/nano-arrow" };
  return Engine.load(nodeHost(), { model: NANO, mixtures, ...options });
}

before(async () => {
  engine = await open({ prefixCache: false });
  alone = [];
  for (const request of REQUESTS) alone.push(await ids(engine, request));
});

after(() => engine.close());

test("32 requests of all modes in one batch give the tokens each gives alone", async () => {
  const together = await Promise.all(REQUESTS.map((request) => ids(engine, request)));
  assert.deepEqual(together, alone);
  const stats = engine.stats();
  assert.equal(stats.running + stats.waiting, 0);
});

test("what is found in the prefix cache changes no token: not for those that begin alike, nor when they go on", async () => {
  const caching = await open();
  for (const round of ["first", "again"]) {
    const together = await Promise.all(REQUESTS.map((request) => ids(caching, request)));
    assert.deepEqual(together, alone, round);
  }
  // Conversations that go on: every prompt with what was generated, and more.
  const begun = ROUTINGS.map((routing, r) => ({
    ids: caching.tokenizer.encode(PROMPTS[r % PROMPTS.length]!),
    ...routing,
  }));
  const answers = await Promise.all(
    begun.map((request) => ids(caching, { ...request, maxTokens: 40, ignoreEos: true })),
  );
  const longer = begun.map((request, i) => ({
    ...request,
    ids: [...request.ids, ...answers[i]!, 10, 20],
    maxTokens: 12,
  }));
  const before = caching.counters.promptTokens;
  const found = await Promise.all(longer.map((request) => ids(caching, request)));
  const read = caching.counters.promptTokens - before;
  await caching.close();
  assert.deepEqual(found, await Promise.all(longer.map((request) => ids(engine, request))));
  const all = longer.reduce((sum, request) => sum + request.ids.length, 0);
  assert.ok(read < 20 * longer.length, `of ${all} tokens of the prompts ${read} were computed again`);
});

test("with too few pages for all, requests are preempted and computed again, and give the same tokens", async () => {
  const requests = PROMPTS.flatMap((prompt): GenerateRequest[] => {
    const long = { prompt, maxTokens: 60, ignoreEos: true };
    return [{ ...long, mixture: "default" }, long];
  });
  const expected = await Promise.all(requests.map((request) => ids(engine, request)));
  const small = await open({ contextLength: 128, poolBytes: 14 * 2 ** 20 });
  const together = await Promise.all(requests.map((request) => ids(small, request)));
  const { preemptions, pagesTotal } = small.stats();
  await small.close();
  console.log(`${pagesTotal} pages, ${preemptions} preemptions`);
  assert.deepEqual(together, expected);
  assert.ok(preemptions > 0, "the pool was large enough: nothing was preempted");
});

test("a cancelled request frees all it held, and the others do not notice", async () => {
  const free = engine.stats().pagesFree;
  const abort = new AbortController();
  const endless = collectUntilAborted(engine, { prompt: PROMPTS[0]!, ignoreEos: true, mixture: "default" }, abort);
  const others = await Promise.all(REQUESTS.slice(24, 28).map((request) => ids(engine, request)));
  const reason = await endless;
  assert.deepEqual(others, alone.slice(24, 28));
  assert.equal(reason, "cancelled");
  assert.equal(engine.stats().pagesFree, free);
});

async function collectUntilAborted(engine: Engine, request: GenerateRequest, abort: AbortController) {
  for await (const event of engine.generate(request, { signal: abort.signal })) {
    if (event.type === "done") return event.finishReason;
    if (event.index === 4) abort.abort();
  }
  return undefined;
}
