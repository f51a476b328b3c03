// A tiny random model of every family and a LoRA on it against transformers and PEFT (scripts/parity_families.py). A
// family whose facts no kernel computes yet must be refused as such: it then skips, and says why.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parseHfConfig } from "../../files/model_files/hf_config.ts";
import { MoloraError } from "../../proto/errors.ts";
import { checkLogprobs, type Fixture, openEngine } from "./parity.ts";

const MODELS = "test/fixtures/families/models";

/** Why kernels cannot compute it, or undefined. */
function refusal(folder: string): string | undefined {
  try {
    parseHfConfig(JSON.parse(readFileSync(`${folder}/config.json`, "utf8")));
    return undefined;
  } catch (error) {
    assert.ok(error instanceof MoloraError && error.code === "unsupported_architecture", String(error));
    return error.message;
  }
}

for (const name of readdirSync(MODELS)) {
  test(`${name}: log-probabilities of the base and of a LoRA equal those of transformers and PEFT`, async (t) => {
    const folder = `${MODELS}/${name}`;
    const refused = refusal(folder);
    if (refused !== undefined) return t.skip(refused);
    const fixture: Fixture & { context: number } = JSON.parse(readFileSync(`${folder}/expected.json`, "utf8"));
    const options = { model: folder, dtype: "f32", contextLength: fixture.context } as const;
    const engine = await openEngine(fixture, { adapters: `${folder}/adapters` }, options);
    try {
      const worst = await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
      t.diagnostic(`largest error ${worst.toExponential(1)} nats`);
    } finally {
      await engine.close();
    }
  });
}
