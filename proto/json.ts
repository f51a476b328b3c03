// Messages as JSON text: the encoding to read by eye and to speak from a shell.
// It knows nothing of what a message may hold; the validator does.

import { codec } from "./codec.ts";
import { MAX_REQUEST_VALUES, parseJson } from "./json_text.ts";

export const jsonCodec = codec("molora.v1.json", {
  write: (message) => JSON.stringify(message),
  read(frame) {
    if (typeof frame !== "string") throw new Error("a binary frame");
    return parseJson(frame, MAX_REQUEST_VALUES);
  },
});
