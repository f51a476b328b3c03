// config.json of every family as transformers saves it (test/fixtures/scripts/families.py): no field is unknown, the
// facts are those transformers computes by, and what no kernel computes is refused by name.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Facts, joinFacts, SERVED } from "../../../files/families/facts.ts";
import { familyOfClass } from "../../../files/families/registry.ts";
import { parseHfConfig } from "../../../files/model_files/hf_config.ts";
import { fieldsOf, readFacts } from "../../../files/model_files/hf_facts.ts";
import { unknownField } from "../../../files/model_files/hf_fields.ts";
import { MoloraError } from "../../../proto/errors.ts";

interface Saved {
  name: string;
  config: Record<string, unknown> & { architectures: [string]; num_hidden_layers: number; intermediate_size: number };
  headDim: number;
  contextLength: number;
  normEps: number;
  tieEmbeddings: boolean;
  windows: number[];
}

const saved: Saved[] = JSON.parse(readFileSync("test/fixtures/families/configs.json", "utf8"));

const GEMMA: Facts = { embeddingScale: 8, activation: "gelu_tanh" };
const EXPERTS = { count: 8, used: 2 };
/** By name, without windows, which the fixture lists. */
const FACTS: Record<string, Facts> = {
  llama: {},
  "llama with biases": { biases: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"] },
  "llama 3.1": {},
  "mistral with a window": {},
  "mistral without": {},
  smollm3: { unrotated: [3] },
  granite: { embeddingScale: 12, attentionScale: 0.015625, residualScale: 0.22, logitScale: 0.125 },
  qwen2: { biases: ["q_proj", "k_proj", "v_proj"] },
  "qwen2 with a window": { biases: ["q_proj", "k_proj", "v_proj"] },
  qwen3: { qkNorm: "head" },
  "qwen3 moe": { qkNorm: "head", experts: { ...EXPERTS, intermediateSize: 32, normalised: true, dense: [0] } },
  gemma: GEMMA,
  gemma2: { ...GEMMA, norms: "around", attentionScale: 24 ** -0.5, attentionSoftcap: 50, logitSoftcap: 30 },
  gemma3: { ...GEMMA, norms: "around", qkNorm: "head", attentionScale: 24 ** -0.5, localRopeTheta: 10000 },
  phi3: {},
  "phi3 with longrope": { rotaryDim: 8 },
  olmo2: { norms: "after", qkNorm: "projection" },
  olmoe: { qkNorm: "projection", experts: { ...EXPERTS, intermediateSize: 96, normalised: false, dense: [] } },
};

for (const { name, config, headDim, contextLength, normEps, tieEmbeddings, windows } of saved) {
  const family = familyOfClass(config.architectures[0]) ?? assert.fail(`no family of ${config.architectures[0]}`);
  const sizes = {
    numLayers: config.num_hidden_layers,
    headDim,
    contextLength,
    intermediateSize: config.intermediate_size,
  };
  const facts = joinFacts([
    family.facts?.({ hiddenSize: 64 }) ?? {},
    ...readFacts(family, config, sizes).map(({ facts }) => facts),
  ]);

  test(`${name}: every field is known and states what transformers reads from it`, () => {
    assert.equal(unknownField(config, fieldsOf(family.config.states)), undefined);
    const { windows: found, ...others } = facts;
    assert.deepEqual(others, FACTS[name]);
    assert.deepEqual(found ?? windows.map(() => 0), windows);
  });

  test(`${name}: loads where kernels compute its facts, else is refused by one of them`, () => {
    const unserved = (Object.keys(facts) as (keyof Facts)[]).filter((fact) => !SERVED.has(fact));
    try {
      const read = parseHfConfig(config);
      assert.deepEqual(unserved, []);
      const found = [read.headDim, read.contextLength, read.normEps, read.tieEmbeddings];
      assert.deepEqual(found, [headDim, contextLength, normEps, tieEmbeddings]);
    } catch (error) {
      assert.ok(error instanceof MoloraError && error.code === "unsupported_architecture", String(error));
      assert.ok(unserved.length > 0, error.message);
    }
  });
}
