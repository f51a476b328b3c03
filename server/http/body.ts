// How the body of a request becomes a value: read within the limit, unpacked, UTF-8, JSON of bounded depth.

import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
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

/** Reads bodies of one server. */
export class BodyReader {
  readonly #limit: number;

  /** `limit`: bytes of a body, as it comes and unpacked. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @throws MoloraError `frame_too_large`, `unsupported_encoding`, `bad_request` */
  async read(raw: IncomingMessage): Promise<unknown> {
    const { headers } = raw;
    const type = (headers["content-type"] ?? "").split(";", 1)[0].trim().toLowerCase();
    if (!/^application\/(?:[\w.-]+\+)?json$/.test(type)) {
      throw unreadable(type === "" ? "it has no content type" : `it is ${JSON.stringify(type.slice(0, 64))}`);
    }
    const encoding = (headers["content-encoding"] ?? "identity").trim().toLowerCase();
    if (encoding !== "identity" && !isPacked(encoding)) throw unsupported(encoding);
    if (Number(headers["content-length"] ?? 0) > this.#limit) throw tooLarge(this.#limit);
    const bytes = await (encoding === "identity" ? collect(raw, this.#limit) : unpacked(raw, encoding, this.#limit));
    return readJson(bytes);
  }
}

/** A large body is read in turns of the event loop. */
async function readJson(body: Uint8Array): Promise<unknown> {
  if (body.length === 0) throw unreadable("it is empty");
  const turn = () => (body.length < LARGE ? undefined : new Promise<void>((resolve) => setImmediate(resolve)));
  try {
    await turn();
    const text = decodeUtf8(body);
    await turn();
    const steps = parsing(text, MAX_REQUEST_VALUES);
    for (;;) {
      const { done, value } = steps.next();
      await turn();
      if (done) return withoutPrototype(value);
    }
  } catch (cause) {
    throw unreadable((cause as Error).message, cause);
  }
}

function withoutPrototype(value: unknown): unknown {
  if (typeof value === "object" && value !== null && Object.hasOwn(value, "__proto__")) {
    throw new Error(`it has a field "__proto__"`);
  }
  return value;
}

/** Stops at the limit: what is beyond it is never held. */
export function collect(source: Readable, limit: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    source.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= limit) {
        chunks.push(chunk);
        return;
      }
      source.pause();
      source.removeAllListeners("data");
      reject(tooLarge(limit));
    });
    source.once("end", () => resolve(Buffer.concat(chunks, length)));
    source.once("close", () => reject(unreadable("the connection broke off")));
    source.once("error", (cause) => reject(unreadable(cause.message, cause)));
  });
}

/** Unpacked as it is read: who sends a small body that would become a huge one is stopped at the limit. */
async function unpacked(raw: IncomingMessage, encoding: keyof typeof UNPACKERS, limit: number): Promise<Uint8Array> {
  const unpacker = UNPACKERS[encoding]();
  const broken = (error: Error) => unpacker.destroy(error);
  raw.once("error", broken);
  try {
    return await collect(raw.pipe(unpacker), limit);
  } finally {
    raw.unpipe(unpacker);
    raw.off("error", broken);
    unpacker.destroy();
  }
}

function tooLarge(limit: number): MoloraError {
  return new MoloraError("frame_too_large", `the body is larger than ${limit} bytes`, {
    remedy: "Send a shorter prompt.",
    details: { maxBodyBytes: limit },
  });
}

function unsupported(encoding: string): MoloraError {
  return new MoloraError(
    "unsupported_encoding",
    `the body's Content-Encoding "${encoding.slice(0, 64)}" is not read here`,
    { remedy: `Send it plain, or as one of: ${Object.keys(UNPACKERS).join(", ")}.` },
  );
}

function unreadable(why: string, cause?: unknown): MoloraError {
  return new MoloraError("bad_request", `the body cannot be read: ${why}`, {
    remedy: "Send one JSON object in UTF-8, as application/json.",
    cause,
  });
}
