// Messages as JSON text: the encoding that people can read and a shell can write.
// What it decodes may be anything that JSON can hold: validate.ts checks it.

import { toBase64 } from "./base64.ts";
import { codec } from "./codec.ts";
import { MAX_REQUEST_VALUES, parseJson } from "./json_text.ts";

export const jsonCodec = codec("molora.v1.json", {
  write: (message) => JSON.stringify(message, (_, value) => (value instanceof Uint8Array ? toBase64(value) : value)),
  read(frame) {
    if (typeof frame !== "string") throw new Error("a binary frame");
    return parseJson(frame, MAX_REQUEST_VALUES);
  },
});
