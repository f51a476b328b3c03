// An adapter's run in the pool, read back by the layout that kernels read: headers, A row by row, B padded and scaled.

import assert from "node:assert/strict";
import { test } from "node:test";
import { heldAdapters, type Modules } from "../../../cli/check/cases/adapters.ts";
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
import { ADAPTER_DTYPES, type AdapterDtype } from "../../../shaders/lora/adapter_dtype.ts";
import { atOnce } from "../../at_once.ts";
import { adapterOf, loraModule, values } from "../../files/lora/synthetic.ts";
import { checkClose } from "../../shaders/device.ts";

const RANKS: Partial<Record<LoraModuleName, number>> = { q_proj: 1, k_proj: 4, o_proj: 5, up_proj: 16, down_proj: 3 };
const LAYER: Adapter["layers"][number] = Object.fromEntries(
  Object.entries(RANKS).map(([name, rank], i) => [name, loraModule(name as LoraModuleName, rank, 0.5 + i)]),
);

LAYER.k_proj = { ...LAYER.k_proj!, rows: { gain: values(4, 1), shift: values(4, 2) } };
LAYER.v_proj = { ...loraModule("v_proj", 0, 0), rows: { gain: values(4, 3), shift: values(4, 4) } };

test("a layer's run holds A as it is and B scaled, four rows column by column, padded with zeros to whole vec4s, then changed rows", () => {
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
    for (let row = 0; row < module.b.length / Math.max(1, rank); row += 4) {
      const at = 4 * (offsetB + row * rank4);
      const expected = new Float32Array(16 * rank4);
      for (let i = 0; i < 4; i++) {
        for (let r = 0; r < rank; r++) expected[4 * r + i] = module.scale * module.b[(row + i) * rank + r];
      }
      assert.deepEqual(run.slice(at, at + 16 * rank4), expected, `${name}, rows ${row} to ${row + 3}`);
      covered.fill(1, at, at + 16 * rank4);
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
    ...HELD,
    rank4: 4,
    experts: false,
  });
  assert.equal(packedRunBytes(packed), adapterRunBytes({ ...adapter, layers }));
});

/** What unpacking needs beside the run. */
const HELD = {
  dtype: "f32",
  columns: { q_proj: 8, k_proj: 8, v_proj: 8, o_proj: 12, up_proj: 8, down_proj: 20 },
} as const;

for (const dtype of ADAPTER_DTYPES) {
  test(`what is unpacked is what was packed, as ${dtype} holds it, the scale in B`, () => {
    const runs = [packAdapterLayer(LAYER, dtype), packAdapterLayer({}, dtype)];
    const packed = { ...HELD, dtype, runs };
    const unpacked = unpackAdapterLayer(packed, 0);
    const [held] = heldAdapters([LAYER as Modules], dtype);
    assert.deepEqual(Object.keys(unpacked).sort(), Object.keys(LAYER).sort());
    for (const [name, lora] of Object.entries(held)) {
      const own = LAYER[name as LoraModuleName]!;
      const { a, b, ...rest } = unpacked[name as LoraModuleName]!;
      assert.deepEqual(rest, { rank: own.rank, scale: 1, ...(own.rows ? { rows: own.rows } : {}) }, name);
      // A scale is rounded once when it is stored, the reference's product once more.
      for (const [found, expected] of [
        [a, lora.a],
        [b, dtype === "f32" ? own.b.map((x) => own.scale * x) : lora.b],
      ]) {
        checkClose(found, expected, dtype === "q8_0" || dtype === "q4_0" ? 1e-6 : 0);
      }
    }
    assert.deepEqual(unpackAdapterLayer(packed, 1), {});
  });
}

test("narrower factors take fewer bytes: of rank 16 on 256 columns half, less than a third, and a sixth", () => {
  const wide = { rank: 16, scale: 1, a: values(16 * 256, 1), b: values(256 * 16, 2) };
  const bytes = (dtype: AdapterDtype) => packAdapterLayer({ q_proj: wide }, dtype).byteLength - 8 * 16;
  assert.equal(bytes("f32"), 4 * 2 * 16 * 256);
  assert.equal(bytes("f16"), 2 * 2 * 16 * 256);
  // A: 16 rows of 256 bytes and 8 scales. B: 256 rows of 16 bytes and a scale.
  assert.equal(bytes("q8_0"), 16 * (256 + 32) + 256 * (16 + 4));
  assert.equal(bytes("q4_0"), 16 * (128 + 32) + 256 * (8 + 4));
});

test("a value beyond half precision is refused where factors are halves, and nowhere else", () => {
  const module = { ...loraModule("q_proj", 2, 1), scale: 70_000 };
  const adapter = adapterOf("huge", [{ q_proj: module }]);
  adapter.report.ranks = [2];
  assert.throws(() => atOnce(packAdapter(adapter, "f16")), {
    code: "adapter_unsupported",
    message: /"huge" has .* q_proj/,
  });
  for (const dtype of ["f32", "q8_0", "q4_0"] as const) atOnce(packAdapter(adapter, dtype));
});
