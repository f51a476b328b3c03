// Messages as MessagePack: JSON's shapes in fewer bytes.
// What it decodes may be anything that MessagePack can hold: validate.ts checks it.

import { Packr } from "msgpackr";
import { codec } from "./codec.ts";
import { checkStructure } from "./msgpack_structure.ts";

// No records, no extensions: any MessagePack library reads and writes the same bytes.
const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: "number" });

export const msgpackCodec = codec("molora.v1.msgpack", {
  write: (message) => packr.pack(message),
  read(frame) {
    if (typeof frame === "string") throw new Error("a text frame");
    checkStructure(frame);
    return packr.unpack(frame);
  },
});
