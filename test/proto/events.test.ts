// Events and errors come back from the wire as they went in, traces included.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { DoneEvent, TokenEvent, TokenTrace } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { doneEvent, errorReply, eventMessage, replyError, tokenEvents } from "../../proto/events.ts";
import type { DoneMessage, TokenMessage } from "../../proto/messages.ts";
import { packTrace, unpackTrace } from "../../proto/trace.ts";

const table = ["base", "math", "sql"];
const TRACES: [name: string, trace: TokenTrace, perLayer: number[], gates: number][] = [
  ["top-1", [layer(["math"], [1]), layer(["base"], [1])], [1], 0],
  ["top-2", [layer(["math", "sql"], [0.75, 0.25]), layer(["sql", "base"], [0.5, 0.5])], [2], 4],
  ["ragged", [layer(["math"], [0.5]), layer([], []), layer(["sql", "base"], [1, 1])], [1, 0, 2], 3],
  ["empty layers", [layer([], []), layer([], [])], [0, 0], 0],
  ["one empty layer", [layer([], [])], [0], 0],
  ["no layers", [], [], 0],
];

function layer(experts: string[], gates: number[]) {
  return { experts, gates };
}

for (const [name, trace, perLayer, gates] of TRACES) {
  test(`trace: ${name}`, () => {
    const packed = packTrace(trace, table);
    assert.deepStrictEqual(packed.perLayer, perLayer);
    assert.equal(packed.gates.length, gates);
    assert.deepStrictEqual(unpackTrace(packed, table), trace);
  });
}

test("a trace that names a stranger, or whose lists do not fit, is refused", () => {
  assert.throws(() => packTrace([layer(["law"], [1])], table), { code: "internal" });
  for (const packed of [
    { perLayer: [1], experts: [3], gates: [] },
    { perLayer: [2], experts: [1], gates: [] },
    { perLayer: [1, 1], experts: [1], gates: [] },
    { perLayer: [1], experts: [1], gates: [1, 1] },
  ]) {
    assert.throws(() => unpackTrace(packed, table), { code: "bad_frame" });
  }
});

test("a token event", () => {
  const logprob = { id: 5, logprob: -0.5, top: [{ id: 5, logprob: -0.5 }] };
  const event: TokenEvent = { type: "token", index: 3, id: 5, text: "x", logprob, trace: [layer(["sql"], [1])] };
  assert.deepStrictEqual(tokenEvents(eventMessage("1", event, table) as TokenMessage, table), [event]);
});

test("a message of several tokens: the last carries the text", () => {
  const message: TokenMessage = { type: "token", id: "1", index: 4, ids: [7, 8], text: "é" };
  assert.deepStrictEqual(tokenEvents(message, table), [
    { type: "token", index: 4, id: 7, text: "" },
    { type: "token", index: 5, id: 8, text: "é" },
  ]);
});

test("a done event, whatever stopped it", () => {
  for (const stopped of ["\n\n", "", 2, 0, undefined]) {
    const event: DoneEvent = {
      type: "done",
      finishReason: "stop",
      ...(stopped === undefined ? {} : { stopped }),
      text: "",
      usage: { promptTokens: 1, completionTokens: 2 },
      timings: { queued: 0, firstToken: 0.5, total: 1 },
      generations: [{ kind: "base", name: "nano", hash: "00" }],
    };
    assert.deepStrictEqual(doneEvent(eventMessage("1", event, table) as DoneMessage), event);
  }
});

test("an error keeps code, remedy and details; what JSON has no word for does not break it", () => {
  const error = new MoloraError("adapter_mismatch", "wrong", { remedy: "right", details: { unmatched: ["a"] } });
  const reply = errorReply(error, "1");
  assert.deepStrictEqual(reply, { type: "error", id: "1", ...error.toJSON() });
  assert.deepStrictEqual(replyError(reply).toJSON(), error.toJSON());
  const odd = errorReply(
    new MoloraError("internal", "\ud800", { details: { size: 10n, not: undefined, x: Number.NaN } }),
  );
  assert.deepStrictEqual(odd, { type: "error", code: "internal", message: "\ufffd", details: { size: "10", x: null } });
});

test("a code of a newer server becomes internal and stays readable", () => {
  const error = replyError({ type: "error", code: "too_warm", message: "m" });
  assert.equal(error.code, "internal");
  assert.deepStrictEqual(error.details, { code: "too_warm" });
});
