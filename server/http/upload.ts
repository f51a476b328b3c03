// The files of an adapter's or a mixture's folder out of a request's body: multipart/form-data, each file a part.

import type { IncomingMessage } from "node:http";
import { MoloraError } from "../../proto/errors.ts";
import { checkPushedFile, tooLarge } from "../pushed_files.ts";
import { collect } from "./body.ts";

/** @throws MoloraError `bad_request`, `frame_too_large` */
export async function readUpload(raw: IncomingMessage, limit: number): Promise<Map<string, Uint8Array>> {
  const type = raw.headers["content-type"] ?? "";
  if (!/^multipart\/form-data\s*;/i.test(type)) throw unreadable(`it is ${JSON.stringify(type.slice(0, 64))}`);
  if (Number(raw.headers["content-length"] ?? 0) > limit) throw tooLarge(limit);
  const bytes = await collect(raw, limit).catch((thrown: unknown) => {
    throw MoloraError.is(thrown) && thrown.code === "frame_too_large" ? tooLarge(limit) : thrown;
  });
  const body = new Uint8Array(bytes);
  const form = await new Response(body, { headers: { "content-type": type } }).formData().catch((cause: unknown) => {
    throw unreadable("it is not well formed", cause);
  });
  const files = new Map<string, Uint8Array>();
  for (const [, part] of form) {
    if (typeof part === "string") throw unreadable("a part of it is no file");
    checkPushedFile(part.name, new Set(files.keys()));
    files.set(part.name, new Uint8Array(await part.arrayBuffer()));
  }
  if (files.size === 0) throw unreadable("it has no file");
  return files;
}

function unreadable(why: string, cause?: unknown): MoloraError {
  return new MoloraError("bad_request", `the body cannot be read: ${why}`, {
    remedy:
      "Send the files as multipart/form-data: curl -X PUT -F file=@adapter_config.json -F file=@adapter_model.safetensors …",
    ...(cause === undefined ? {} : { cause }),
  });
}
