// Adapters on first use and under budgets, on a real engine: names from a folder, host memory that holds some of them, loads that
// are shared, stacks that need room for all their adapters at once. What is generated is compared with an engine that has it all.

import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Engine } from "../../../node/index.ts";
import type { GenerateRequest, Routing } from "../../../proto/api.ts";
import type { MoloraError } from "../../../proto/errors.ts";
import { raises } from "../../raises.ts";

const NANO = "models/nano";
const ADAPTERS = ["math", "sql", "medical", "code"];
const root = mkdtempSync(join(tmpdir(), "molora-tiers-"));
const folder = join(root, "adapters");
let whole: Engine;
let texts: Map<string, string>;

const ask: GenerateRequest = { prompt: "Add 2 and 3.", maxTokens: 6, ignoreEos: true };

async function textOf(engine: Engine, routing: Routing): Promise<string> {
  let text = "";
  for await (const event of engine.generate({ ...ask, ...routing })) text += event.text;
  return text;
}

before(async () => {
  for (const name of ADAPTERS) cpSync(`${NANO}/adapters/${name}`, join(folder, name), { recursive: true });
  cpSync(`${NANO}/mixtures/default`, join(root, "mixtures", "default"), { recursive: true });
  whole = await Engine.load();
  texts = new Map();
  for (const adapter of ADAPTERS) texts.set(adapter, await textOf(whole, { adapter }));
  assert.equal(new Set(texts.values()).size, ADAPTERS.length, "each adapter says something else");
});
after(async () => {
  await whole.close();
  rmSync(root, { recursive: true });
});

const bytesOf = (...names: string[]) =>
  names.reduce((sum, name) => sum + whole.listNames().find((each) => each.name === name)!.bytes, 0);

test("a name is read from its folder when somebody asks for it, and a folder that comes later is seen", async () => {
  const engine = await Engine.load({ model: NANO, sources: [folder] });
  try {
    assert.deepEqual(engine.listNames(), []);
    assert.equal(await textOf(engine, { adapter: "math" }), texts.get("math"));
    const [math] = engine.listNames();
    assert.deepEqual([math.name, math.tier, math.users, math.pinned], ["math", "device", 0, false]);
    await raises("unknown_adapter", /"late"/, () => textOf(engine, { adapter: "late" }));
    await assert.rejects(textOf(engine, { adapter: "late" }), ({ remedy, details }: MoloraError) => {
      assert.match(remedy ?? "", /Loaded: math\. Asked in vain: .*adapters; the next time after 10 s/);
      assert.deepEqual(details?.asked, [folder]);
      return true;
    });
    cpSync(`${NANO}/adapters/sql`, join(folder, "late2"), { recursive: true });
    assert.equal(await textOf(engine, { adapter: "late2" }), texts.get("sql"));
    rmSync(join(folder, "late2"), { recursive: true });
    for (const name of ["..", ".", "nothing"]) {
      await raises("unknown_adapter", /no adapter is named/, () => textOf(engine, { adapter: name }));
    }
    await raises("bad_request", /cannot name/, () => textOf(engine, { adapter: "../mixtures" }));
    await raises("bad_request", /cannot name|is no source/, () => textOf(engine, { adapter: "/etc" }));
  } finally {
    await engine.close();
  }
});

test("host memory holds half of the adapters: all are served, and none is another", async () => {
  const engine = await Engine.load({ model: NANO, sources: [folder], hostCacheBytes: bytesOf(...ADAPTERS) / 2 });
  try {
    for (let round = 0; round < 2; round++) {
      const answers = await Promise.all(ADAPTERS.map((adapter) => textOf(engine, { adapter })));
      for (const [i, adapter] of ADAPTERS.entries()) assert.equal(answers[i], texts.get(adapter), adapter);
      const { host } = engine.tiers();
      assert.ok(host.names < 4 && host.bytes <= host.budget!, JSON.stringify(host));
    }
    assert.ok(engine.tiers().host.evictions >= 2);
    assert.ok(engine.listNames().some(({ tier }) => tier === "source"));
    assert.equal(engine.listAdapters().length, 4, "what gave way has its name still");
  } finally {
    await engine.close();
  }
});

test("all who ask for a name wait for one load of it", async () => {
  const engine = await Engine.load({ model: NANO, sources: [folder] });
  try {
    const answers = await Promise.all(Array.from({ length: 8 }, () => textOf(engine, { adapter: "code" })));
    assert.ok(answers.every((text) => text === texts.get("code")));
    assert.equal(engine.tiers().loads.begun, 1);
  } finally {
    await engine.close();
  }
});

test("stacks that need all the room there is take turns, and one that needs more is refused", async () => {
  const engine = await Engine.load({ model: NANO, sources: [folder], hostCacheBytes: bytesOf("code", "math") });
  const stack = (...names: string[]): Routing => ({ adapters: names.map((id) => ({ id, weight: 0.5 })) });
  try {
    const pairs = [stack("math", "sql"), stack("medical", "code"), stack("math", "code"), stack("sql", "medical")];
    const answers = await Promise.all(pairs.map((pair) => textOf(engine, pair)));
    for (const [i, pair] of pairs.entries()) assert.equal(answers[i], await textOf(whole, pair));
    await raises("out_of_pages", /bytes of host memory/, () => textOf(engine, stack("medical", "math", "code")));
    assert.equal(await textOf(engine, { adapter: "math" }), texts.get("math"));
  } finally {
    await engine.close();
  }
});

test("what is pinned stays, and what came as bytes", async () => {
  const engine = await Engine.load({ model: NANO, sources: [folder], hostCacheBytes: bytesOf("math", "sql", "code") });
  try {
    await engine.loadAdapter("pinned", `${NANO}/adapters/math`, { pinned: true });
    const files = new Map(
      ["adapter_config.json", "adapter_model.safetensors"].map((file) => [
        file,
        readFileSync(`${NANO}/adapters/sql/${file}`),
      ]),
    );
    await engine.loadFiles("pushed", files);
    for (const adapter of ADAPTERS) assert.equal(await textOf(engine, { adapter }), texts.get(adapter));
    assert.equal(await textOf(engine, { adapter: "pinned" }), texts.get("math"));
    assert.equal(await textOf(engine, { adapter: "pushed" }), texts.get("sql"));
    const tiers = Object.fromEntries(
      engine.listNames().map(({ name, tier, pinned }) => [name, [tier !== "source", pinned]]),
    );
    assert.deepEqual(
      [tiers.pinned, tiers.pushed],
      [
        [true, true],
        [true, true],
      ],
    );
  } finally {
    await engine.close();
  }
});

test("a mixture is found with its experts, which stay its own", async () => {
  const engine = await Engine.load({ model: NANO, sources: [folder, join(root, "mixtures")] });
  try {
    const found = await engine.findName("default");
    assert.equal(found?.kind, "mixture");
    assert.equal(await textOf(engine, { mixture: "default" }), await textOf(whole, { mixture: "default" }));
    assert.deepEqual(engine.listAdapters(), []);
  } finally {
    await engine.close();
  }
});

test("of two who load over the same generation, the second is told", async () => {
  const engine = await Engine.load({ model: NANO, sources: [folder] });
  try {
    const path = (name: string) => `${NANO}/adapters/${name}`;
    const first = await engine.loadAdapter("x", path("math"), { expectedGeneration: null });
    const options = { expectedGeneration: first.hash };
    const swaps = [engine.loadAdapter("x", path("sql"), options), engine.loadAdapter("x", path("code"), options)];
    const [won, lost] = await Promise.allSettled(swaps);
    assert.equal(won.status, "fulfilled");
    assert.equal(lost.status === "rejected" && lost.reason.code, "generation_mismatch");
    assert.equal(await textOf(engine, { adapter: "x" }), texts.get("sql"));
    await raises("generation_mismatch", /stands for generation/, () =>
      engine.loadAdapter("x", path("math"), { expectedGeneration: null }),
    );
  } finally {
    await engine.close();
  }
});

test("files that changed under a loaded name are refused when they are read again; under a found one they are the new generation", async () => {
  const moving = join(root, "moving");
  cpSync(join(folder, "math"), join(moving, "m"), { recursive: true });
  const options = { model: NANO, sources: [folder, moving], hostCacheBytes: bytesOf("code") };
  const engine = await Engine.load({ ...options, adapters: { loaded: join(moving, "m") } });
  try {
    assert.equal(await textOf(engine, { adapter: "m" }), texts.get("math"));
    cpSync(join(folder, "sql"), join(root, "new"), { recursive: true });
    rmSync(join(moving, "m"), { recursive: true });
    renameSync(join(root, "new"), join(moving, "m"));
    assert.equal(await textOf(engine, { adapter: "code" }), texts.get("code"));
    assert.equal(await textOf(engine, { adapter: "m" }), texts.get("sql"));
    await raises("checksum_mismatch", /were changed since it was loaded/, () => textOf(engine, { adapter: "loaded" }));
  } finally {
    await engine.close();
  }
});

test("a broken adapter is refused by what is wrong with it, and one more request tries again", async () => {
  const engine = await Engine.load({ model: NANO, sources: [folder] });
  const broken = join(folder, "broken");
  cpSync(join(folder, "math"), broken, { recursive: true });
  const weights = join(broken, "adapter_model.safetensors");
  const good = readFileSync(weights);
  writeFileSync(weights, good.subarray(0, 1000));
  try {
    await raises("header_invalid", /adapter_model/, () => textOf(engine, { adapter: "broken" })).catch(() =>
      raises("file_truncated", /adapter_model/, () => textOf(engine, { adapter: "broken" })),
    );
    writeFileSync(weights, good);
    assert.equal(await textOf(engine, { adapter: "broken" }), texts.get("math"));
  } finally {
    await engine.close();
    rmSync(broken, { recursive: true });
  }
});

test("a recipe of a source is made when somebody asks for it, gives way, and is made again to the same", async () => {
  const recipes = join(root, "recipes");
  const write = (weight: number) => {
    const parts = [
      {
        name: "domain",
        merge: { method: "cat", adapters: [{ name: "math", adapter: join(folder, "math"), weight: 0.5 }] },
      },
      { name: "sql", adapter: join(folder, "sql"), weight },
    ];
    mkdirSync(join(recipes, "person"), { recursive: true });
    writeFileSync(join(recipes, "person", "recipe.json"), JSON.stringify({ format: "molora-recipe/1", parts }));
  };
  write(0.25);
  const adapters = [
    { id: "math", weight: 0.5 },
    { id: "sql", weight: 0.25 },
  ];
  const byHand = await textOf(whole, { adapters });
  const engine = await Engine.load({
    model: NANO,
    sources: [folder, recipes],
    hostCacheBytes: bytesOf("math", "sql", "code"),
  });
  try {
    assert.equal(await textOf(engine, { mixture: "person" }), byHand);
    const named = () => engine.listNames().find(({ name }) => name === "person")!;
    const { hash } = named();
    for (const adapter of ["code", "medical", "math"])
      assert.equal(await textOf(engine, { adapter }), texts.get(adapter));
    assert.equal(named().tier, "source", "it gave way");
    assert.equal(await textOf(engine, { mixture: "person" }), byHand);
    assert.equal(named().hash, hash);
  } finally {
    await engine.close();
  }
  const loaded = await Engine.load({
    model: NANO,
    sources: [folder],
    recipes: { me: join(recipes, "person") },
    hostCacheBytes: bytesOf("math", "sql", "code"),
  });
  try {
    for (const adapter of ["code", "medical", "math"]) await textOf(loaded, { adapter });
    assert.equal(loaded.listNames().find(({ name }) => name === "me")!.tier, "source");
    write(0.5);
    await raises("checksum_mismatch", /"me" were changed/, () => textOf(loaded, { mixture: "me" }));
  } finally {
    await loaded.close();
  }
});
