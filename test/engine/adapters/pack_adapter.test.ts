// An adapter's run in the pool, read back by the layout that kernels read: headers, A row by row, B padded and scaled.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  adapterRank4,
  adapterRunBytes,
  packAdapter,
  packAdapterLayer,
  packedRunBytes,
  unpackAdapterLayer,
} from "../../../engine/adapters/pack_adapter.ts";
import { LORA_MODULES, type LoraModuleName } from "../../../files/families/modules.ts";
import type { Adapter } from "../../../files/lora/adapter.ts";
import { atOnce } from "../../at_once.ts";
import { adapterOf, loraModule, values } from "../../files/lora/synthetic.ts";

const RANKS: Partial<Record<LoraModuleName, number>> = { q_proj: 1, k_proj: 4, o_proj: 5, up_proj: 16, down_proj: 3 };
const LAYER: Adapter["layers"][number] = Object.fromEntries(
  Object.entries(RANKS).map(([name, rank], i) => [name, loraModule(name as LoraModuleName, rank, 0.5 + i)]),
);

LAYER.k_proj = { ...LAYER.k_proj!, rows: { gain: values(4, 1), shift: values(4, 2) } };
LAYER.v_proj = { ...loraModule("v_proj", 0, 0), rows: { gain: values(4, 3), shift: values(4, 4) } };

test("a layer's run holds A as it is and B scaled, its rows padded with zeros to whole vec4s, then changed rows", () => {
  const run = packAdapterLayer(LAYER);
  const covered = new Uint8Array(run.length).fill(1, 0, 32);
  for (const [index, name] of LORA_MODULES.entries()) {
    const [offsetA, offsetB, rank, offsetRows] = run.subarray(4 * index, 4 * index + 4);
    const rank4 = Math.ceil(rank / 4);
    const module = LAYER[name];
    assert.equal(rank, module?.rank ?? 0, name);
    assert.equal(offsetRows > 0, module?.rows !== undefined, name);
    if (module === undefined) continue;
    for (let row = 0; module.rows !== undefined && row < module.rows.gain.length; row += 4) {
      const at = 4 * offsetRows + 2 * row;
      assert.deepEqual(run.slice(at, at + 4), module.rows.gain.slice(row, row + 4), `${name}, gain ${row}`);
      assert.deepEqual(run.slice(at + 4, at + 8), module.rows.shift.slice(row, row + 4), `${name}, shift ${row}`);
      covered.fill(1, at, at + 8);
    }
    assert.deepEqual(run.slice(4 * offsetA, 4 * offsetA + module.a.length), module.a, name);
    covered.fill(1, 4 * offsetA, 4 * offsetA + module.a.length);
    for (let row = 0; row < module.b.length / Math.max(1, rank); row++) {
      const at = 4 * (offsetB + row * rank4);
      const expected = new Float32Array(4 * rank4);
      for (let r = 0; r < rank; r++) expected[r] = module.scale * module.b[row * rank + r];
      assert.deepEqual(run.slice(at, at + 4 * rank4), expected, `${name}, row ${row}`);
      covered.fill(1, at, at + 4 * rank4);
    }
  }
  assert.ok(covered.every((one) => one === 1));
});

test("an adapter's size is that of its largest layer, its rank that of its largest module", () => {
  const adapter = adapterOf("a", [{ v_proj: loraModule("v_proj", 2, 1) }, LAYER, {}]);
  adapter.report.ranks = [2, 1, 4, 5, 16, 3];
  assert.equal(adapterRunBytes(adapter), packAdapterLayer(LAYER).byteLength);
  assert.equal(adapterRank4(adapter), 4);
  assert.equal(packAdapterLayer({}).byteLength, 8 * 16);
});

test("a packed adapter has a run a layer and no factors beside it", () => {
  const { layers, ...adapter } = adapterOf("a", [LAYER, {}, { v_proj: loraModule("v_proj", 2, 1) }]);
  adapter.report.ranks = [2, 16];
  const packed = atOnce(packAdapter({ ...adapter, layers }));
  assert.deepEqual(packed, {
    ...adapter,
    runs: layers.map((layer) => packAdapterLayer(layer)),
    rank4: 4,
    experts: false,
  });
  assert.equal(packedRunBytes(packed), adapterRunBytes({ ...adapter, layers }));
});

test("what is unpacked is what was packed, the scale in B", () => {
  const unpacked = unpackAdapterLayer(packAdapterLayer(LAYER));
  assert.deepEqual(Object.keys(unpacked).sort(), Object.keys(LAYER).sort());
  for (const [name, { scale, b, ...rest }] of Object.entries(LAYER)) {
    assert.deepEqual(unpacked[name as LoraModuleName], { ...rest, scale: 1, b: b.map((x) => scale * x) }, name);
  }
  assert.deepEqual(unpackAdapterLayer(packAdapterLayer({})), {});
});
