// A step whose kernels cannot be prepared (their files cannot be read for a moment): whom it takes along, and whom not.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Engine } from "../../engine/engine.ts";
import { Forward } from "../../engine/model/forward.ts";
import { nodeHost } from "../../node/host.ts";
import type { GenerateRequest } from "../../proto/api.ts";
import { raises } from "../raises.ts";
import { collect } from "./parity.ts";

const NANO = "models/nano";
const OTHER: GenerateRequest = { prompt: "Add 2 and 3.", maxTokens: 40, ignoreEos: true };

let engine: Engine;
const idsOf = async (request: GenerateRequest) => (await collect(engine, request)).tokens.map(({ id }) => id);

before(async () => {
  engine = await Engine.load(nodeHost(), { model: NANO, adapters: { math: `${NANO}/adapters/math` } });
});
after(() => engine.close());

test("a step whose kernels cannot be prepared ends its requests; the next one does what this one should have", async () => {
  const expected = await idsOf({ ...OTHER, adapter: "math" });
  await engine.loadAdapter("fresh", `${NANO}/adapters/sql`);
  const { program } = Forward.prototype;
  let fails = true;
  Forward.prototype.program = function (kind) {
    if (!fails) return program.call(this, kind);
    fails = false;
    return Promise.reject(new Error("EMFILE: too many open files, open 'norm.wgsl'"));
  };
  try {
    // It is on no page yet: what this step was to upload must be uploaded by the next.
    const fresh = { ...OTHER, adapter: "fresh" };
    await raises("internal", /EMFILE/, () => idsOf(fresh));
    assert.equal(engine.closed, undefined);
    const ids = await idsOf(fresh);
    await engine.unloadAdapter("fresh");
    await engine.loadAdapter("fresh", `${NANO}/adapters/sql`);
    assert.deepEqual(ids, await idsOf(fresh), "the same once it was uploaded anew");
    assert.deepEqual(await idsOf({ ...OTHER, adapter: "math" }), expected);
  } finally {
    Forward.prototype.program = program;
  }
  assert.deepEqual([engine.stats().running, engine.stats().waiting], [0, 0]);
});
