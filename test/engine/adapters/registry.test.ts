import assert from "node:assert/strict";
import { test } from "node:test";
import type { LoadedGeneration } from "../../../engine/adapters/generation.ts";
import type { PackedAdapter } from "../../../engine/adapters/pack_adapter.ts";
import { Registry } from "../../../engine/adapters/registry.ts";
import { MoloraError } from "../../../proto/errors.ts";
import type { Mixture } from "../../../router/mixture.ts";
import { adapterOf } from "../../files/lora/synthetic.ts";

function mixtureOf(name: string, experts: string[], sha256?: string): Mixture {
  return {
    name,
    hash: `mixture-${experts.join("-")}`,
    baseModel: { architecture: "LlamaForCausalLM", hiddenSize: 8, numLayers: 2 },
    experts: [
      { name: "base", adapter: undefined, sha256: undefined },
      ...experts.map((expert) => ({ name: expert, adapter: `../${expert}`, sha256 })),
    ],
    router: { type: "uniform", topK: 1, gate: "unit", temperature: 1 },
  };
}

function packedOf(name: string, version = 1): PackedAdapter {
  const { layers: _, experts: __, ...rest } = adapterOf(name, [], version);
  return { ...rest, runs: [], dtype: "f32", columns: {}, rank4: 0, experts: false };
}

function recording(): { registry: Registry; released: string[] } {
  const released: string[] = [];
  const registry = new Registry({ onRelease: (generation: LoadedGeneration) => released.push(generation.hash) });
  return { registry, released };
}

function raises(code: string, remedy?: RegExp) {
  return (error: MoloraError) => {
    assert.equal(error.code, code, error.message);
    if (remedy) assert.match(error.remedy ?? "", remedy);
    return true;
  };
}

test("a new version takes the name at once; the old one lives until its last pin goes", () => {
  const { registry, released } = recording();
  const first = registry.addAdapter(packedOf("math", 1));
  const pins = [registry.pin(first), registry.pin(first)];
  const second = registry.addAdapter(packedOf("math", 2));
  assert.equal(registry.adapter("math"), second);
  assert.equal(pins[0].generation, first);
  assert.deepEqual(released, []);
  pins[0].release();
  pins[0].release();
  assert.deepEqual(released, []);
  pins[1].release();
  assert.deepEqual(released, ["math-1"]);
  registry.removeAdapter("math");
  assert.deepEqual(released, ["math-1", "math-2"]);
  assert.throws(() => registry.pin(first), raises("internal"));
});

test("loading the same content again releases nothing; two names may share it", () => {
  const { registry, released } = recording();
  registry.addAdapter(packedOf("math"));
  registry.addAdapter(packedOf("math"));
  registry.addAdapter({ ...packedOf("math"), name: "sums" });
  assert.equal(registry.adapter("math").key, registry.adapter("sums").key);
  registry.removeAdapter("math");
  assert.deepEqual(released, []);
  registry.removeAdapter("sums");
  assert.deepEqual(released, ["math-1"]);
});

test("a mixture keeps its experts' generations, whatever becomes of their names", () => {
  const { registry, released } = recording();
  const math = packedOf("math");
  registry.addAdapter(math);
  const mixture = registry.addMixture(mixtureOf("default", ["math"]), [undefined, math]);
  assert.equal(mixture.experts[1]?.key, registry.adapter("math").key);
  registry.removeAdapter("math");
  assert.deepEqual(released, []);
  const pin = registry.pin(mixture);
  registry.removeMixture("default");
  assert.deepEqual(released, []);
  pin.release();
  assert.deepEqual(released, ["mixture-math", "math-1"]);
});

test("a mixture over other generations of its experts is another generation", () => {
  const { registry, released } = recording();
  const load = (version: number) =>
    registry.addMixture(mixtureOf("default", ["math"]), [undefined, packedOf("math", version)]);
  const [first, second] = [load(1), load(2)];
  assert.equal(first.hash, second.hash);
  assert.notEqual(first.key, second.key);
  assert.deepEqual(released, ["mixture-math", "math-1"]);
});

test("a load that fails changes nothing", () => {
  const { registry, released } = recording();
  const math = packedOf("math");
  const loaded = registry.addMixture(mixtureOf("default", ["math"]), [undefined, math]);
  const wrong: [mixture: Mixture, adapters: (typeof math | undefined)[], code: string][] = [
    [mixtureOf("default", ["math", "sql"]), [undefined, math], "mixture_invalid"],
    [mixtureOf("default", ["math", "sql"]), [undefined, math, undefined], "mixture_invalid"],
    [mixtureOf("default", ["math"]), [math, math], "mixture_invalid"],
    [mixtureOf("default", ["math"], "0".repeat(64)), [undefined, math], "checksum_mismatch"],
    [mixtureOf("a name", ["math"]), [undefined, math], "bad_request"],
    [mixtureOf("base", ["math"]), [undefined, math], "bad_request"],
  ];
  for (const [mixture, adapters, code] of wrong) {
    assert.throws(() => registry.addMixture(mixture, adapters), raises(code), mixture.name);
  }
  const refuse = () => {
    throw new MoloraError("out_of_pages", "too large");
  };
  assert.throws(
    () => registry.addMixture(mixtureOf("default", ["math"]), [undefined, math], refuse),
    raises("out_of_pages"),
  );
  assert.throws(() => registry.addAdapter(math, refuse), raises("out_of_pages"));
  assert.equal(registry.mixture("default"), loaded);
  assert.equal(registry.list().length, 1);
  assert.deepEqual(released, []);
  assert.equal(registry.addMixture(mixtureOf("exact", ["math"], math.hash), [undefined, math]).kind, "mixture");
});

test("names are checked, and one name means one kind", () => {
  const { registry } = recording();
  for (const name of ["", "base", "a b", "a=1", "a,b", "a/b", "é", "x".repeat(129)]) {
    assert.throws(() => registry.addAdapter(packedOf(name)), raises("bad_request"), name);
  }
  registry.addAdapter(packedOf("Math_1.5-b"));
  assert.throws(() => registry.addMixture(mixtureOf("Math_1.5-b", []), [undefined]), raises("bad_request", /unload/));
});

test("unknown names are answered with the known ones", () => {
  const { registry } = recording();
  assert.throws(() => registry.adapter("math"), raises("unknown_adapter", /No adapter is loaded/));
  registry.addAdapter(packedOf("math"));
  registry.addMixture(mixtureOf("default", []), [undefined]);
  assert.throws(() => registry.adapter("meth"), raises("unknown_adapter", /Loaded: math\./));
  assert.throws(() => registry.adapter("default"), raises("unknown_adapter", /names a mixture/));
  assert.throws(() => registry.mixture("math"), raises("unknown_mixture", /names an adapter/));
  assert.throws(() => registry.removeMixture("other"), raises("unknown_mixture", /Loaded: default\./));
  assert.throws(() => registry.removeAdapter("__proto__"), raises("unknown_adapter"));
});

test("the list counts running requests only", () => {
  const { registry } = recording();
  const math = packedOf("math");
  const loaded = registry.addAdapter(math);
  const mixture = registry.addMixture(mixtureOf("default", ["math"]), [undefined, math]);
  const pins = [registry.pin(loaded), registry.pin(mixture), registry.pin(mixture)];
  const running = () => registry.list().map(({ generation, running }) => [generation.name, running]);
  assert.deepEqual(running(), [
    ["math", 1],
    ["default", 2],
  ]);
  for (const pin of pins) pin.release();
  assert.deepEqual(running(), [
    ["math", 0],
    ["default", 0],
  ]);
});
