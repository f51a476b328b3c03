// The validator's table: what each encoding delivers alike is refused alike, with the field and the remedy named.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MoloraError } from "../../proto/errors.ts";
import { validateClient, validateRequest, validateServer } from "../../proto/validate.ts";

const generate = (fields: Record<string, unknown>) => ({ type: "generate", id: "7", prompt: "hello", ...fields });

function refused(run: () => unknown): MoloraError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof MoloraError, String(error));
    return error;
  }
  return assert.fail("accepted");
}

const BAD_VALUES: [field: string, values: unknown[]][] = [
  ["prompt", [1, null, ["a"], "\ud800"]],
  ["raw", [1, "true", null]],
  ["temperature", [-0.1, Number.NaN, Number.POSITIVE_INFINITY, "1", 101]],
  ["topK", [-1, 1.5, 2 ** 32]],
  ["topP", [0, 1.01, -1, Number.NaN]],
  ["minP", [-0.1, 1.1]],
  ["seed", [-1, 2 ** 53, 0.5, 1n]],
  ["repetitionPenalty", [0, -1]],
  ["presencePenalty", [-2.1, 2.1]],
  ["frequencyPenalty", [-2.1, 2.1]],
  ["maxTokens", [0, -1, 1.5]],
  ["stop", ["a", { 0: "a" }, Array(65).fill("a")]],
  ["stop[0]", [[""], [1], ["a".repeat(1025)]]],
  ["stopIds[1]", [[1, -1]]],
  ["logprobs", [21, -1]],
  ["promptLogprobs", [21]],
  ["adapter", ["", "a".repeat(257)]],
  ["adapters[0].weight", [[{ id: "a" }], [{ id: "a", weight: Number.NaN }]]],
  ["adapters[1]", [[{ id: "a", weight: 1 }, "b"]]],
];

test("a value of the wrong type or out of range names its field", () => {
  for (const [field, values] of BAD_VALUES) {
    const name = field.replace(/[[.].*/, "");
    for (const value of values) {
      const error = refused(() => validateClient(generate({ [name]: value })));
      assert.equal(error.code, "bad_request", field);
      assert.deepStrictEqual(error.details, { field, requestId: "7" });
      assert.ok(error.message.includes(field), error.message);
    }
  }
});

test("the ends of the ranges are inside", () => {
  const edges = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 2 ** 53 - 1, logprobs: 20, maxTokens: 1 };
  assert.deepStrictEqual(validateClient(generate(edges)), generate(edges));
});

test("fields that exclude each other", () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ ids: [1] }, /prompt and ids exclude/],
    [{ prompt: undefined }, /none of prompt, messages, ids/],
    [{ prompt: undefined, ids: [] }, /none of prompt, messages, ids/],
    [{ adapter: "a", mixture: "m" }, /adapter and mixture exclude/],
  ];
  for (const [fields, why] of cases) {
    const error = refused(() => validateClient(generate(fields)));
    assert.equal(error.code, "bad_request");
    assert.match(error.message, why);
    assert.ok(error.remedy?.includes("one of"), error.remedy);
  }
});

test("an unknown field is named, at any depth, and never ignored", () => {
  const top = refused(() => validateClient(generate({ top_p: 0.5 })));
  assert.equal(top.code, "unknown_field");
  assert.deepStrictEqual(top.details, { field: "top_p", requestId: "7" });
  assert.ok(top.remedy?.includes("topP"));
  const nested = { type: "generate", id: "7", messages: [{ role: "user", content: "a", colour: "b" }] };
  assert.equal(refused(() => validateClient(nested)).details?.field, "messages[0].colour");
  const inherited = JSON.parse('{"type":"generate","id":"7","prompt":"a","__proto__":{"raw":true}}');
  assert.equal(refused(() => validateClient(inherited)).code, "unknown_field");
});

test("a name that could not travel back is not echoed", () => {
  assert.equal(refused(() => validateClient(generate({ "\ud800": 1 }))).details?.field, "?");
  assert.equal(refused(() => validateClient(generate({ ["x".repeat(1e5)]: 1 }))).details?.field, "?");
  const long = refused(() => validateClient({ type: "x".repeat(1e5), id: "y".repeat(1e5) }));
  assert.ok(JSON.stringify(long).length < 1000);
});

test("an unknown message lists those there are", () => {
  for (const type of ["generat", "accepted", "toString", "__proto__", 3, undefined]) {
    const error = refused(() => validateClient({ type, id: "7" }));
    assert.equal(error.code, "unknown_message");
    assert.ok(error.remedy?.includes("generate, cancel"));
  }
});

test("what is no message at all", () => {
  for (const raw of [null, undefined, 1, "generate", [], [generate({})], new Map()]) {
    assert.equal(refused(() => validateClient(raw)).code, "bad_request");
  }
  assert.equal(refused(() => validateClient({ type: "cancel" })).details?.field, "id");
  assert.equal(refused(() => validateClient({ type: "cancel", id: "" })).details?.field, "id");
});

test("an empty list is the same as none, a missing required one is empty", () => {
  assert.deepStrictEqual(validateClient(generate({ stop: [], stopIds: undefined })), generate({}));
  const accepted = { type: "accepted", id: "1", promptTokens: 3, generations: [] };
  assert.deepStrictEqual(validateServer(accepted), { ...accepted, experts: [] });
});

test("a newer server may say more", () => {
  const unloaded = { type: "unloaded", id: "1", name: "math" };
  assert.deepStrictEqual(validateServer({ ...unloaded, milliseconds: 3 }), unloaded);
});

test("details nest only so deep and hold only JSON", () => {
  const nested = (depth: number): Record<string, unknown> => (depth === 0 ? {} : { a: nested(depth - 1) });
  const error = (details: unknown) => ({ type: "error", code: "internal", message: "", details });
  assert.deepStrictEqual(validateServer(error(nested(15))), error(nested(15)));
  for (const details of [nested(16), { a: undefined }, { a: 1n }, { a: Number.NaN }, { a: new Date() }, [], "x"]) {
    assert.equal(refused(() => validateServer(error(details))).code, "bad_request");
  }
});

test("a request without envelope", () => {
  assert.deepStrictEqual(validateRequest({ ids: [1, 2], trace: true }), { ids: [1, 2], trace: true });
  assert.equal(refused(() => validateRequest({ ids: [1], id: "7" })).code, "unknown_field");
});
