// The modules' order, from which adapters on the device and their kernels take their places.

import assert from "node:assert/strict";
import { test } from "node:test";
import { firstModule, groupRows, LORA_MODULES, moduleShape } from "../../../files/families/modules.ts";
import { SMALL } from "../lora/synthetic.ts";

test("modules stand group by group in the order a layer runs them", () => {
  assert.deepEqual(LORA_MODULES, ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]);
  assert.deepEqual((["qkv", "o", "gateUp", "down"] as const).map(firstModule), [0, 3, 4, 6]);
});

test("shapes follow heads, KV heads and the MLP's width", () => {
  assert.deepEqual(groupRows(SMALL, "qkv"), [12, 4, 4]);
  assert.deepEqual(groupRows(SMALL, "gateUp"), [20, 20]);
  assert.deepEqual(moduleShape(SMALL, "o_proj"), [8, 12]);
  assert.deepEqual(moduleShape(SMALL, "down_proj"), [8, 20]);
});
