// Loads and unloads that cross each other, on a real engine: names go where the last who asked wanted them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Engine } from "../../../engine/engine.ts";
import { nodeHost } from "../../../node/host.ts";
import { raises } from "../../raises.ts";

const NANO = "models/nano";
let engine: Engine;

before(async () => {
  engine = await Engine.load(nodeHost(), { model: NANO });
});
after(() => engine.close());

const names = () => engine.listAdapters().map(({ name }) => name);

test("an unload asked for while its name is being loaded unloads it", async () => {
  const loading = engine.loadAdapter("x", `${NANO}/adapters/math`);
  await engine.unloadAdapter("x");
  await loading;
  assert.deepEqual(names(), []);
  await raises("unknown_adapter", /"x"/, () => engine.unloadAdapter("x"));
});

test("a reload in flight does not bring back a name that was unloaded after it was asked for", async () => {
  await engine.loadAdapter("x", `${NANO}/adapters/math`);
  const reload = engine.loadAdapter("x", `${NANO}/adapters/sql`);
  const unload = engine.unloadAdapter("x");
  await Promise.all([reload, unload]);
  assert.deepEqual(names(), []);
});

test("of two loads of a name the later stays; without leave to replace it is refused, at whatever moment it comes", async () => {
  const loads = [
    engine.loadAdapter("x", `${NANO}/adapters/math`),
    engine.loadAdapter("x", `${NANO}/adapters/sql`),
    engine.loadAdapter("x", `${NANO}/adapters/code`, { replace: false }),
  ];
  const [, second, third] = await Promise.allSettled(loads);
  assert.ok(second.status === "fulfilled");
  assert.equal(engine.listAdapters()[0].hash, second.value.hash);
  assert.equal(third.status === "rejected" && third.reason.code, "bad_request");
  await engine.unloadAdapter("x");
  await engine.loadAdapter("x", `${NANO}/adapters/code`, { replace: false });
  await engine.unloadAdapter("x");
});

test("a load that fails holds up nobody", async () => {
  const failing = engine.loadAdapter("x", `${NANO}/nothing`);
  const after = engine.loadAdapter("y", `${NANO}/adapters/math`);
  await raises("file_not_found", /nothing/, () => failing);
  await after;
  assert.deepEqual(names(), ["y"]);
  await engine.unloadAdapter("y");
});

test("a mixture brings its experts' names along, but none that was unloaded", async () => {
  await engine.loadMixture("default", `${NANO}/mixtures/default`);
  const all = names();
  assert.ok(all.includes("math") && all.includes("sql"));
  await engine.unloadAdapter("math");
  await engine.loadMixture("default", `${NANO}/mixtures/default`);
  assert.ok(!names().includes("math"), "the mixture holds its adapter without the name");
  let tokens = 0;
  for await (const event of engine.generate({
    prompt: "Add 2 and 3.",
    mixture: "default",
    maxTokens: 4,
    ignoreEos: true,
  })) {
    if (event.type === "token") tokens++;
  }
  assert.equal(tokens, 4);
  await raises("unknown_adapter", /math/, () => engine.generate({ prompt: "x", adapter: "math" }).next());
  await engine.loadAdapter("math", `${NANO}/adapters/math`);
  assert.ok(names().includes("math"), "who loads it again has it");
});

test("a text that the pages or the context cut says which", async () => {
  const small = await Engine.load(nodeHost(), { model: NANO, contextLength: 256, poolBytes: 4 * 2 ** 20 });
  const last = async (request: Parameters<Engine["generate"]>[0]) => {
    for await (const event of small.generate(request)) if (event.type === "done") return event;
    return undefined;
  };
  const go = { ids: Array.from({ length: 150 }, (_, i) => 5 + i), ignoreEos: true };
  try {
    const own = await last({ ...go, maxTokens: 8 });
    assert.deepEqual([own?.finishReason, own?.limitedBy], ["length", undefined]);
    const context = await last({ ...go, maxTokens: 1000 });
    assert.deepEqual(
      [context?.finishReason, context?.limitedBy, context?.usage.completionTokens],
      ["length", "context", 106],
    );
    // Beside a large adapter, the pages hold less than the context.
    await small.loadAdapter("math", `${NANO}/adapters/math`);
    const memory = await last({ ...go, adapter: "math" });
    const produced = memory?.usage.completionTokens ?? 0;
    assert.deepEqual([memory?.finishReason, memory?.limitedBy], ["length", "memory"]);
    assert.ok(produced > 0 && produced < 106, `${produced} tokens`);
  } finally {
    await small.close();
  }
});
