// Random and mutated frames, 10,000 a codec and side: each is read or refused with a typed error, nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Speech } from "../../proto/codec.ts";
import { CODECS } from "../../proto/encodings.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Frame } from "../../proto/messages.ts";
import { clientMessage, serverMessage } from "./arbitraries.ts";

const RUNS = 10_000;
const EXPECTED = new Set(["bad_frame", "bad_request", "unknown_field", "unknown_message"]);

interface Mutation {
  at: number;
  remove: number;
  insert: Uint8Array;
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.nat(8),
  insert: fc.uint8Array({ maxLength: 8 }),
});

function mutate(frame: Frame, mutations: Mutation[]): Frame {
  let bytes = Buffer.from(frame as Uint8Array);
  for (const { at, remove, insert } of mutations) {
    const start = Math.floor(at * bytes.length);
    bytes = Buffer.concat([bytes.subarray(0, start), insert, bytes.subarray(start + remove)]);
  }
  return typeof frame === "string" ? bytes.toString("utf8") : new Uint8Array(bytes);
}

/** @returns whether the frame was read. */
function survives<M>(speech: Speech<M>, frame: Frame): boolean {
  let message: M;
  try {
    message = speech.decode(frame);
  } catch (error) {
    assert.ok(error instanceof MoloraError && EXPECTED.has(error.code), String(error));
    assert.ok(JSON.stringify(error).length < 10_000);
    return false;
  }
  assert.deepStrictEqual(speech.decode(speech.encode(message)), message);
  return true;
}

function fuzz<M>(name: string, speech: Speech<M>, messages: fc.Arbitrary<M>): void {
  test(`${name}: mutated frames`, () => {
    let read = 0;
    fc.assert(
      fc.property(messages, fc.array(mutation, { maxLength: 3 }), (message, mutations) => {
        if (survives(speech, mutate(speech.encode(message), mutations))) read++;
      }),
      { numRuns: RUNS },
    );
    // Neither all nor none: the mutations reach past the first check.
    assert.ok(read > 0 && read < RUNS, `${read} were read`);
  });

  test(`${name}: random frames`, () => {
    const text = typeof speech.encode(fc.sample(messages, 1)[0]) === "string";
    const frame: fc.Arbitrary<Frame> = text
      ? fc.oneof(fc.string({ maxLength: 64 }), fc.json())
      : fc.uint8Array({ maxLength: 64 });
    fc.assert(
      fc.property(frame, (bytes) => void survives(speech, bytes)),
      { numRuns: RUNS },
    );
  });
}

for (const codec of Object.values(CODECS)) {
  fuzz(`${codec.subprotocol}, client`, codec.client, clientMessage);
  fuzz(`${codec.subprotocol}, server`, codec.server, serverMessage);
}
