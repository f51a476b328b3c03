// How the body of a request becomes a value: unpacked within the limit, UTF-8, JSON of bounded depth.

import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { FastifyInstance, RequestPayload } from "fastify";
import { MoloraError } from "../../proto/errors.ts";
import { decodeUtf8, MAX_REQUEST_VALUES, parsing } from "../../proto/json_text.ts";

/** What `Content-Encoding` may say, and what undoes it. */
const UNPACKERS = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
} as const;

/** Bytes from which on reading a body takes more than a few milliseconds. */
const LARGE = 2 ** 19;

const isPacked = (encoding: string): encoding is keyof typeof UNPACKERS => Object.hasOwn(UNPACKERS, encoding);

/** Bodies are JSON in UTF-8, plain or packed. The limit of the server's body holds for what is unpacked, too. */
export function readBodies(app: FastifyInstance): void {
  app.addHook("preParsing", async ({ headers }, reply, payload) => {
    const encoding = (headers["content-encoding"] ?? "identity").trim().toLowerCase();
    if (encoding === "identity") return payload;
    if (!isPacked(encoding)) throw unsupported(encoding);
    return unpacked(payload, encoding, reply.raw);
  });
  app.removeContentTypeParser(["application/json", "text/plain"]);
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request: unknown, body: Buffer) =>
    readJson(body),
  );
}

/** Rejects with `bad_request`. A large body is read in turns of the event loop. */
async function readJson(body: Buffer): Promise<unknown> {
  if (body.length === 0) {
    throw new MoloraError("bad_request", "the body is empty", { remedy: "Send one JSON object, as application/json." });
  }
  const turn = () => (body.length < LARGE ? undefined : new Promise<void>((resolve) => setImmediate(resolve)));
  try {
    await turn();
    const text = decodeUtf8(body);
    await turn();
    const steps = parsing(text, MAX_REQUEST_VALUES);
    for (;;) {
      const { done, value } = steps.next();
      await turn();
      if (done) return value;
    }
  } catch (cause) {
    throw new MoloraError("bad_request", `the body cannot be read: ${(cause as Error).message}`, {
      remedy: "Send one JSON object in UTF-8, as application/json.",
      cause,
    });
  }
}

/** Unpacked as it is read: who sends a small body that would become a huge one is stopped at the limit. */
function unpacked(payload: Readable, encoding: keyof typeof UNPACKERS, response: ServerResponse): RequestPayload {
  const unpacker: RequestPayload = UNPACKERS[encoding]();
  let received = 0;
  // What fastify holds against Content-Length.
  Object.defineProperty(unpacker, "receivedEncodedLength", { get: () => received });
  payload.on("data", (chunk: Buffer) => {
    received += chunk.length;
  });
  payload.on("error", (error) => unpacker.destroy(error));
  // Also where the body was refused half-way.
  response.on("close", () => unpacker.destroy());
  const output = payload.pipe(unpacker as RequestPayload & NodeJS.WritableStream) as RequestPayload;
  output.on("error", (error: Error & { statusCode?: number }) => {
    error.statusCode = 400;
  });
  return output;
}

function unsupported(encoding: string): MoloraError {
  return new MoloraError(
    "unsupported_encoding",
    `the body's Content-Encoding "${encoding.slice(0, 64)}" is not read here`,
    {
      remedy: `Send it plain, or as one of: ${Object.keys(UNPACKERS).join(", ")}.`,
    },
  );
}
