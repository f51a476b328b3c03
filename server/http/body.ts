// The body of a request: read up to a limit, decoded, parsed as JSON.
// It knows nothing of what fields it has.

import type { IncomingMessage } from "node:http";
import { MoloraError } from "../../proto/errors.ts";

/** @throws MoloraError `frame_too_large`, `bad_request`. */
export async function readBody(raw: IncomingMessage, limit: number): Promise<unknown> {
  const type = (raw.headers["content-type"] ?? "").split(";", 1)[0].trim().toLowerCase();
  if (!/^application\/(?:[\w.-]+\+)?json$/.test(type)) {
    throw unreadable(type === "" ? "it has no content type" : `it is ${JSON.stringify(type.slice(0, 64))}`);
  }
  const bytes = await collect(raw, limit);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw unreadable((cause as Error).message, cause);
  }
  if (typeof value === "object" && value !== null && Object.hasOwn(value, "__proto__")) {
    throw unreadable(`it has a field "__proto__"`);
  }
  return value;
}

/** Stops reading at the limit: what is beyond it is never held. */
function collect(raw: IncomingMessage, limit: number): Promise<Uint8Array> {
  const tooLarge = () =>
    new MoloraError("frame_too_large", `the body is larger than ${limit} bytes`, {
      remedy: "Send a shorter prompt.",
      details: { maxBodyBytes: limit },
    });
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    if (Number(raw.headers["content-length"] ?? 0) > limit) return reject(tooLarge());
    raw.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= limit) {
        chunks.push(chunk);
        return;
      }
      raw.pause();
      raw.removeAllListeners("data");
      reject(tooLarge());
    });
    raw.once("end", () => resolve(Buffer.concat(chunks, length)));
    raw.once("close", () => reject(unreadable("the connection broke off")));
    raw.once("error", (cause) => reject(unreadable("the connection broke off", cause)));
  });
}

function unreadable(why: string, cause?: unknown): MoloraError {
  return new MoloraError("bad_request", `the body cannot be read: ${why}`, {
    remedy: "Send one JSON object, as application/json.",
    cause,
  });
}
