// Frames that are not what they claim: each encoding refuses them with a typed error and without allocating for a lie.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pack } from "msgpackr";
import type { Codec } from "../../proto/codec.ts";
import { CODECS } from "../../proto/encodings.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Frame } from "../../proto/messages.ts";

const { proto, msgpack, json } = CODECS;

function refuses(codec: Codec, frame: Frame, code: string, why?: RegExp): void {
  assert.throws(
    () => codec.client.decode(frame),
    (error) => error instanceof MoloraError && error.code === code && (why?.test(error.message) ?? true),
    `${codec.subprotocol} ${why}`,
  );
}
const bytes = (...values: number[]) => Uint8Array.from(values);
/** A protobuf frame of `cancel` (field 2) holding these bytes. */
const cancel = (...payload: number[]) => bytes(0x12, payload.length, ...payload);

test("the wrong kind of frame", () => {
  refuses(json, bytes(0x7b, 0x7d), "bad_frame", /binary/);
  refuses(msgpack, "{}", "bad_frame", /text/);
  refuses(proto, "{}", "bad_frame", /text/);
});

test("JSON", () => {
  for (const text of ["", "{", "{}x", "[".repeat(1e6), "NaN"]) refuses(json, text, "bad_frame");
  refuses(json, "[]", "bad_request");
  refuses(json, `{"type":"cancel","id":${"[".repeat(1e5)}${"]".repeat(1e5)}}`, "bad_request");
});

test("MessagePack", () => {
  refuses(msgpack, bytes(), "bad_frame");
  refuses(msgpack, bytes(0xdd, 0xff, 0xff, 0xff, 0xff), "bad_frame", /ends early/);
  refuses(msgpack, bytes(0xdf, 0x01, 0xff, 0xff, 0xff), "bad_frame", /ends early/);
  refuses(msgpack, new Uint8Array(1e5).fill(0x91), "bad_frame", /deep/);
  refuses(msgpack, pack({ type: "cancel", id: new Date() }), "bad_frame", /extension/);
  refuses(msgpack, pack({ type: "cancel", id: Buffer.from("a") }), "bad_request", /"id" must be a string, got 1 bytes/);
  refuses(msgpack, bytes(0xc6, 0xff, 0xff, 0xff, 0xff), "bad_frame", /ends early/);
  refuses(msgpack, pack({ type: "push_data", id: "a", offset: 0, data: "no*base64" }), "bad_request", /base64/);
  refuses(msgpack, bytes(0x81, 0x01, 0x01), "bad_frame", /key/);
  refuses(msgpack, bytes(0xa1, 0xff), "bad_frame");
  refuses(msgpack, Buffer.concat([pack({ type: "cancel", id: "1" }), bytes(0)]), "bad_frame", /after/);
  refuses(msgpack, pack({ type: "cancel", id: 1 }), "bad_request");
  refuses(msgpack, pack([1, 2]), "bad_request");
});

test("protobuf", () => {
  assert.deepStrictEqual(proto.client.decode(cancel(0x0a, 1, 0x37)), { type: "cancel", id: "7" });
  refuses(proto, bytes(), "bad_frame");
  refuses(proto, cancel(0x0a, 9, 0x37), "bad_frame");
  refuses(proto, cancel(0x0a, 1, 0xff), "bad_frame");
  refuses(proto, cancel(0x08, 1), "bad_frame", /wire type/);
  refuses(proto, cancel(0x0a, 1, 0x37, 0x0a, 1, 0x38), "bad_frame", /twice/);
  refuses(proto, bytes(...cancel(0x0a, 1, 0x37), 0), "bad_frame", /after/);
  refuses(proto, cancel(), "bad_request", /"id"/);
  refuses(proto, cancel(0x0a, 1, 0x37, 0x10, 1), "unknown_field", /#2/);
  refuses(proto, bytes(0xfa, 0x01, 0), "unknown_message", /#31/);
  // ids = [2^32]: too large for uint32, and not to be cut to 0.
  refuses(proto, bytes(0x0a, 10, 0x0a, 1, 0x37, 0x22, 5, 0x80, 0x80, 0x80, 0x80, 0x10), "bad_request", /ids\[0\]/);
  // Lists of numbers may come unpacked.
  const unpacked = proto.client.decode(bytes(0x0a, 7, 0x0a, 1, 0x37, 0x20, 1, 0x20, 2));
  assert.deepStrictEqual(unpacked, { type: "generate", id: "7", ids: [1, 2] });
});

test("what breaks the contract is not sent either", () => {
  for (const codec of Object.values(CODECS)) {
    const broken = {
      type: "token",
      id: "1",
      index: 0,
      ids: [1],
      text: "",
      logprobs: [{ id: 1, logprob: Number.NaN, top: [] }],
    };
    assert.throws(
      () => codec.server.encode(broken as Parameters<typeof codec.server.encode>[0]),
      /logprobs\[0\].logprob/,
    );
  }
});
