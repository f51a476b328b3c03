// The files of a tar, plain or packed with gzip, in memory: regular ones only, within a limit, under clean paths.

import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { unpackTar } from "modern-tar";
import { MoloraError } from "../../proto/errors.ts";

/**
 * Files by their path, without the one folder that holds them all, if there is one. Links, devices and paths that lead out are
 * refused: nothing that an adapter needs is one.
 *
 * @throws MoloraError `header_invalid`, `header_too_large` above `mostBytes` unpacked
 */
export async function unpackArchive(
  name: string,
  bytes: Uint8Array,
  mostBytes: number,
): Promise<Map<string, Uint8Array>> {
  const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? await gunzip(name, bytes, mostBytes) : bytes;
  const entries = await unpackTar(plain, { strict: true }).catch((cause: unknown) => {
    throw invalid(name, cause instanceof Error ? cause.message : String(cause), cause);
  });
  const files = new Map<string, Uint8Array>();
  for (const { header, data } of entries) {
    if (header.type === "directory" || header.type === "pax-global-header") continue;
    const path = header.name.replace(/^(?:\.\/)+/, "");
    if (header.type !== "file" || path.startsWith("/") || path.split("/").includes("..")) {
      throw invalid(name, `${JSON.stringify(header.name)} is no file inside it`);
    }
    files.set(path, data ?? new Uint8Array(0));
  }
  return withoutTop(files);
}

function withoutTop(files: Map<string, Uint8Array>): Map<string, Uint8Array> {
  const tops = new Set([...files.keys()].map((path) => path.split("/", 1)[0]));
  const [top] = tops;
  if (tops.size !== 1 || files.has(top)) return files;
  return new Map([...files].map(([path, bytes]) => [path.slice(top.length + 1), bytes]));
}

/** Stops at the limit: what a small archive would become is never held. */
async function gunzip(name: string, bytes: Uint8Array, mostBytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of Readable.from([bytes]).pipe(createGunzip())) {
      length += chunk.length;
      if (length > mostBytes) {
        throw new MoloraError("header_too_large", `${name} unpacks to more than ${mostBytes} bytes`, {
          remedy: "Raise --source-file-bytes if it is meant to be that long.",
        });
      }
      chunks.push(chunk);
    }
  } catch (thrown) {
    if (MoloraError.is(thrown)) throw thrown;
    throw invalid(name, (thrown as Error).message, thrown);
  }
  return new Uint8Array(Buffer.concat(chunks, length));
}

function invalid(name: string, why: string, cause?: unknown): MoloraError {
  return new MoloraError("header_invalid", `${name} is no tar that can be read: ${why}`, {
    remedy: "Make it with `tar -czf NAME.tar.gz FOLDER`, from a folder of plain files.",
    ...(cause === undefined ? {} : { cause }),
  });
}
