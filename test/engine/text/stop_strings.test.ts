import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StopStrings } from "../../../engine/text/stop_strings.ts";
import { stopAt } from "./stop_at.ts";

function stream(pieces: string[], stop: string[]): ReturnType<typeof stopAt> {
  const stopStrings = new StopStrings(stop);
  let text = "";
  for (const piece of pieces) {
    const passed = stopStrings.push(piece);
    text += passed.text;
    if (passed.stopped !== undefined) return { text, stopped: passed.stopped };
  }
  return { text: text + stopStrings.flush(), stopped: undefined };
}

test("however a text is cut, it ends where it would read character by character", () => {
  const small = fc.string({ unit: fc.constantFrom("a", "b", "é", "😀"), minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.array(small, { maxLength: 12 }), fc.array(small, { maxLength: 4 }), (pieces, stop) => {
      assert.deepEqual(stream(pieces, stop), stopAt(pieces.join(""), stop));
    }),
    { numRuns: 1000 },
  );
});

test("what may be the beginning of a stop string is held back, no more than that", () => {
  const stopStrings = new StopStrings(["###"]);
  assert.deepEqual(stopStrings.push("a#"), { text: "a" });
  assert.deepEqual(stopStrings.push("#"), { text: "" });
  assert.deepEqual(stopStrings.push("b##"), { text: "##b" });
  assert.deepEqual(stopStrings.push("##"), { text: "", stopped: "###" });
});

test("of overlapping stop strings the one complete first wins, then the longest", () => {
  assert.deepEqual(stream(["abcd"], ["abcd", "bc"]), { text: "a", stopped: "bc" });
  assert.deepEqual(stream(["xab"], ["b", "ab"]), { text: "x", stopped: "ab" });
});

test("stop strings that can never be found are refused", () => {
  for (const stop of ["", "\ud83d", "\ude00a"]) {
    assert.throws(() => new StopStrings([stop]), { code: "bad_request" });
  }
});
