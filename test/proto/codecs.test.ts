// Every valid message survives every encoding, and the codecs need no code generation.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { CODECS, codecOf } from "../../proto/encodings.ts";
import type { ServerMessage } from "../../proto/messages.ts";
import { clientMessage, serverMessage } from "./arbitraries.ts";

for (const codec of Object.values(CODECS)) {
  test(`${codec.subprotocol}: client messages survive`, () => {
    fc.assert(
      fc.property(clientMessage, (message) => {
        assert.deepStrictEqual(codec.client.decode(codec.client.encode(message)), message);
      }),
      { numRuns: 300 },
    );
  });

  test(`${codec.subprotocol}: server messages survive`, () => {
    fc.assert(
      fc.property(serverMessage, (message) => {
        assert.deepStrictEqual(codec.server.decode(codec.server.encode(message)), message);
      }),
      { numRuns: 300 },
    );
  });

  test(`${codec.subprotocol}: is found by its name`, () => assert.equal(codecOf(codec.subprotocol), codec));
}

test("gates are float32 in every encoding", () => {
  const trace = { perLayer: [1], experts: [0], gates: [1 / 3] };
  const message: ServerMessage = { type: "token", id: "1", index: 0, ids: [1], text: "a", traces: [trace] };
  for (const codec of Object.values(CODECS)) {
    const read = codec.server.decode(codec.server.encode(message));
    assert.deepStrictEqual(read, { ...message, traces: [{ ...trace, gates: [Math.fround(1 / 3)] }] });
  }
});

test("protobuf carries a routed token of 30 layers in under 120 bytes", () => {
  const experts = Array.from({ length: 30 }, (_, layer) => layer % 5);
  const message: ServerMessage = {
    type: "token",
    id: "1",
    index: 17,
    ids: [1234],
    text: " number",
    traces: [{ perLayer: [1], experts, gates: [] }],
  };
  assert.ok(CODECS.proto.server.encode(message).length < 120);
});

test("the codecs work where code from strings is forbidden, as in a page with a strict Content-Security-Policy", () => {
  const module = fileURLToPath(new URL("../../proto/encodings.js", import.meta.url));
  const script = `
    const { CODECS } = await import(${JSON.stringify(module)});
    const message = { type: "generate", id: "1", prompt: "hello", seed: 2 ** 40, stop: ["a"] };
    for (const codec of Object.values(CODECS)) {
      for (let i = 0; i < 50; i++) console.log(JSON.stringify(codec.client.decode(codec.client.encode(message))));
    }`;
  const flags = ["--disallow-code-generation-from-strings", "--input-type=module", "-e", script];
  const lines = execFileSync(process.execPath, flags, { encoding: "utf8" }).trim().split("\n");
  assert.equal(lines.length, 150);
  assert.equal(new Set(lines).size, 1);
});
