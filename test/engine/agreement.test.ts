// Agreement in sign while stacks, mixtures and recipes generate: what is reported against the adapters' own factors, the alert behind
// a new generation, and that it is worked out once.

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import { LORA_MODULES } from "../../files/families/modules.ts";
import type { Adapter, LoraModule } from "../../files/lora/adapter.ts";
import { loadAdapter } from "../../files/lora/load.ts";
import { writePeftAdapter } from "../../files/lora/peft_write.ts";
import { openModelFiles } from "../../files/model_files/model_files.ts";
import { openPath } from "../../node/files.ts";
import { Engine } from "../../node/index.ts";
import type { AgreementAlert, AgreementReport, DoneEvent, Routing } from "../../proto/api.ts";
import { raises } from "../raises.ts";

const TINY = resolve("test/fixtures/tiny");
const NAMES = ["r2", "r3", "r8", "all-linear"];
const WINDOW = 8;
const IDS = Array.from({ length: 12 }, (_, i) => 20 + ((i * 37) % 280));
let engine: Engine;
const adapters = new Map<string, Adapter>();
const alerts: AgreementAlert[] = [];

before(async () => {
  const paths = Object.fromEntries(NAMES.map((name) => [name, `${TINY}/adapters/${name}`]));
  engine = await Engine.load({ model: `${TINY}/base`, adapters: paths, agreementWindow: WINDOW, agreementDrop: 0.1 });
  engine.onAlert((alert) => alerts.push(alert));
  const { config } = await openModelFiles(await openPath(`${TINY}/base`));
  for (const name of NAMES) adapters.set(name, await loadAdapter(name, await openPath(paths[name]), config));
});
after(() => engine.close());

async function generate(routing: Routing, maxTokens = 12, trace = true): Promise<DoneEvent> {
  for await (const event of engine.generate({ ...routing, ids: IDS, maxTokens, trace, ignoreEos: true })) {
    if (event.type === "done") return event;
  }
  throw new Error("no last event");
}

const reportOf = (name: string): AgreementReport | undefined =>
  engine.stats().agreement!.find((report) => report.name === name);

/** A pair is worked out beside the first tokens: generates until it is. */
async function seen(name: string, routing: Routing): Promise<AgreementReport> {
  for (let tries = 0; tries < 100; tries++) {
    await generate(routing);
    const report = reportOf(name);
    if (report !== undefined) return report;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("nothing was worked out");
}

/** Share of entries without opposite signs, of whole matrices in float64; the tiny base's are small. */
function expected(x: Adapter, y: Adapter, layer: number, turned: boolean): number {
  let [clear, all] = [0, 0];
  for (const name of LORA_MODULES) {
    const [one, two] = [x.layers[layer][name], y.layers[layer][name]];
    if (one === undefined || two === undefined) continue;
    const [u, v] = [entries(one), entries(two)];
    for (const [i, value] of u.entries()) if (value * v[i] * (turned ? -1 : 1) >= 0) clear++;
    all += u.length;
  }
  return clear / all;
}

function entries({ rank, a, b }: LoraModule): Float64Array {
  const cols = a.length / rank;
  const out = new Float64Array((b.length / rank) * cols);
  for (let at = 0; at < out.length; at++) {
    const [row, col] = [Math.floor(at / cols), at % cols];
    for (let r = 0; r < rank; r++) out[at] += b[row * rank + r] * a[r * cols + col];
  }
  return out;
}

test("a stack's agreement is that of its adapters' entries, in every layer; a negative weight turns signs around", async () => {
  const report = await seen("r2+r8", {
    adapters: [
      { id: "r2", weight: 0.5 },
      { id: "r8", weight: 2 },
    ],
  });
  assert.deepEqual([report.kind, report.adapters, report.layers.length], ["stack", ["r2", "r8"], 4]);
  const [r2, r8] = [adapters.get("r2")!, adapters.get("r8")!];
  for (const [layer, value] of report.layers.entries()) {
    const exact = expected(r2, r8, layer, false);
    // Matrices of up to 4096 entries are looked at whole, larger ones by draws.
    assert.ok(Math.abs(value - exact) < 0.02, `layer ${layer}: ${value}, entry by entry ${exact}`);
  }
  const mean = report.layers.reduce((sum, value) => sum + value, 0) / 4;
  assert.ok(Math.abs(report.agreement - mean) < 1e-12);
  const turned = await seen("r8+r2", {
    adapters: [
      { id: "r8", weight: 1 },
      { id: "r2", weight: -1 },
    ],
  });
  for (const [layer, value] of turned.layers.entries()) {
    assert.ok(Math.abs(value - expected(r2, r8, layer, true)) < 0.02, `turned, layer ${layer}: ${value}`);
  }
});

test("a request with a trace is told its own; one adapter and the base have none", async () => {
  const { agreement } = await generate({
    adapters: [
      { id: "r2", weight: 0.5 },
      { id: "r8", weight: 2 },
    ],
  });
  const { layers } = reportOf("r2+r8")!;
  for (const [layer, value] of agreement!.entries()) assert.ok(Math.abs(value - layers[layer]) < 1e-9);
  const silent = await generate(
    {
      adapters: [
        { id: "r2", weight: 0.5 },
        { id: "r8", weight: 2 },
      ],
    },
    4,
    false,
  );
  assert.equal(silent.agreement, undefined);
  assert.equal((await generate({ adapter: "r2" })).agreement, undefined);
  assert.equal((await generate({})).agreement, undefined);
});

test("of a mixture the experts count that each token took, of a recipe also what stands beside them", async () => {
  await engine.loadMixture("two", `${TINY}/mixtures/uniform`);
  const report = await seen("two", { mixture: "two" });
  assert.equal(report.kind, "mixture");
  assert.ok(
    report.layers.every((value) => value > 0.3 && value < 1),
    `${report.layers}`,
  );
  const parts = [
    { name: "r8", adapter: `${TINY}/adapters/r8` },
    { name: "x", mixture: `${TINY}/mixtures/belief-top1` },
  ];
  const json = new TextEncoder().encode(JSON.stringify({ format: "molora-recipe/1", parts }));
  await engine.loadMixture("x", `${TINY}/mixtures/belief-top1`);
  await engine.loadFiles("recipe", new Map([["recipe.json", json]]));
  const mixed = await seen("recipe", { mixture: "recipe" });
  assert.deepEqual([mixed.kind, mixed.adapters], ["mixture", ["r8"]]);
});

test("an alert tells of a drop behind a new generation, once; a generation that agrees as well raises none", async () => {
  const stack: Routing = {
    adapters: [
      { id: "r8", weight: 1 },
      { id: "twin", weight: 1 },
    ],
  };
  const { config } = await openModelFiles(await openPath(`${TINY}/base`));
  const load = (sign: number, noise: number) => {
    const layers = adapters
      .get("r8")!
      .layers.map((layer) =>
        Object.fromEntries(
          Object.entries(layer).map(([name, lora]) => [
            name,
            { ...lora, b: lora.b.map((value, i) => sign * value * (1 + noise * Math.sin(i))) },
          ]),
        ),
      );
    const files = writePeftAdapter({ layers }, config);
    const bytes = new Map([
      ["adapter_config.json", new TextEncoder().encode(files.config)],
      ["adapter_model.safetensors", files.safetensors],
    ]);
    return engine.loadFiles("twin", bytes);
  };
  await load(1, 0.1);
  const first = await seen("r8+twin", stack);
  assert.ok(first.agreement > 0.9, `${first.agreement}`);
  await load(1, 0.12);
  for (let i = 0; i < 10; i++) {
    await generate(stack);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(alerts.length, 0, "it agrees as well as before");
  const { hash } = await load(-1, 0.1);
  for (let tries = 0; tries < 100 && alerts.length === 0; tries++) {
    await generate(stack);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(alerts.length, 1);
  const [{ name, kind, before: was, now, layer, generations }] = alerts;
  assert.deepEqual([name, kind, generations], ["r8+twin", "stack", [{ kind: "adapter", name: "twin", hash }]]);
  assert.ok(was > 0.9 && now < 0.1, `${was} → ${now}`);
  assert.ok(layer.now < layer.before && layer.index >= 0 && layer.index < 4);
  await generate(stack);
  await generate(stack);
  assert.equal(alerts.length, 1, "once for each change");
  assert.deepEqual(engine.stats().alerts, alerts);
});

test("settings that cannot be are refused; 0 watches nothing", async () => {
  const load = (more: object) =>
    Engine.load({ model: `${TINY}/base`, adapters: { r2: `${TINY}/adapters/r2`, r8: `${TINY}/adapters/r8` }, ...more });
  await raises("bad_arguments", /agreementDrop is 2/, () => load({ agreementDrop: 2 }));
  await raises("bad_arguments", /agreementWindow is 0/, () => load({ agreementWindow: 0 }));
  const unwatched = await load({ agreementDrop: 0 });
  try {
    for await (const _ of unwatched.generate({
      adapters: [
        { id: "r2", weight: 1 },
        { id: "r8", weight: 1 },
      ],
      ids: IDS,
      maxTokens: 9,
    }));
    assert.deepEqual(unwatched.stats().agreement, []);
  } finally {
    await unwatched.close();
  }
});
