// When a step in flight is due: the rule that lets the device run ahead of the host, and its end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { InFlight } from "../../../engine/step/in_flight.ts";
import type { RowResult } from "../../../engine/step/results.ts";
import type { SubmittedStep } from "../../../engine/step/runner.ts";
import { MoloraError } from "../../../proto/errors.ts";
import { raises } from "../../raises.ts";

function submitted(tokens: number, results: Promise<RowResult[]> = Promise.resolve([])): SubmittedStep {
  return { plan: { slices: [], tokens, logitRows: 0, uploads: [] }, launches: 1, encodeMs: 0, results };
}

const tokensOf = async (inFlight: InFlight) => (await inFlight.next())?.plan.tokens;

test("one step ahead: a step is due when the next was added, or when nothing was", async () => {
  const inFlight = new InFlight(1);
  assert.equal(inFlight.most, 2);
  inFlight.add(submitted(1));
  assert.equal(await tokensOf(inFlight), undefined, "the device may run one ahead");
  inFlight.add(submitted(2));
  assert.equal(await tokensOf(inFlight), 1);
  inFlight.add(submitted(3));
  assert.equal(await tokensOf(inFlight), 2);
  assert.equal(inFlight.empty, false);
  inFlight.add(undefined);
  assert.equal(await tokensOf(inFlight), 3, "nothing new: only what is in flight can bring the next plan on");
  assert.equal(inFlight.empty, true);
});

test("no step ahead: each is waited for before the next", async () => {
  const inFlight = new InFlight(0);
  assert.equal(inFlight.most, 1);
  inFlight.add(submitted(1));
  assert.equal(await tokensOf(inFlight), 1);
  assert.equal(inFlight.empty, true);
});

test("nothing planned and nothing in flight is a bug, not a loop for ever", async () => {
  const inFlight = new InFlight(1);
  inFlight.add(undefined);
  await raises("internal", /none can be admitted/, () => inFlight.next());
});

test("a step that fails is thrown once; the one behind it does not end the process", async () => {
  const unhandled: unknown[] = [];
  const listen = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", listen);
  const inFlight = new InFlight(1);
  const lost = () => Promise.reject(new MoloraError("gpu_lost", "the device was lost"));
  inFlight.add(submitted(1, lost()));
  await inFlight.next();
  inFlight.add(submitted(2, lost()));
  await raises("gpu_lost", /lost/, () => inFlight.next());
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off("unhandledRejection", listen);
  assert.deepEqual(unhandled, []);
});
