// The three encodings by name, and the one of a WebSocket subprotocol.

import type { Codec } from "./codec.ts";
import { jsonCodec } from "./json.ts";
import { msgpackCodec } from "./msgpack.ts";
import { protobufCodec } from "./protobuf.ts";

export type Encoding = "proto" | "msgpack" | "json";

export const CODECS: Readonly<Record<Encoding, Codec>> = {
  proto: protobufCodec,
  msgpack: msgpackCodec,
  json: jsonCodec,
};

/** The codec of a WebSocket subprotocol, or undefined. */
export function codecOf(subprotocol: string): Codec | undefined {
  return Object.values(CODECS).find((codec) => codec.subprotocol === subprotocol);
}
