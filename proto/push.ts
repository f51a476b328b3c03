// The client's half of a push: files described with their checksums, and their bytes in frames.

import type { AbortLike, AdapterReport, LoadAdapterOptions, MixtureReport } from "./api.ts";
import { MoloraError } from "./errors.ts";
import { unexpected } from "./events.ts";
import type { Inbox } from "./inbox.ts";
import type { ClientMessage, PushedFile, Reply } from "./messages.ts";

/** Bytes of a frame: in JSON a third more, and still within what servers take. */
const FRAME_BYTES = 512 * 1024;
/** Bytes that may be under way: enough that a connection is never idle, little enough that no buffer grows. */
const WINDOW = 4 * FRAME_BYTES;

export type PushedFiles = ReadonlyMap<string, Uint8Array> | Readonly<Record<string, Uint8Array>>;

/** How a push is loaded. */
export interface PushOptions extends Pick<LoadAdapterOptions, "expectedGeneration" | "pinned"> {
  /** Aborting it ends the push. */
  signal?: AbortLike;
  /** Called with the bytes that the server has, and all of them. */
  onProgress?: (done: number, total: number) => void;
}

/** The connection, as a push needs it. */
export interface PushLink {
  newId(): string;
  /** Opens a request. */
  ask(message: ClientMessage): Inbox<Reply>;
  /** @throws MoloraError where the connection has ended */
  send(message: ClientMessage): void;
  /** Cancels the request, where it is open; the server answers. */
  cancel(id: string): void;
  /** What the server still says of it goes nowhere. */
  forget(id: string): void;
}

/** @throws MoloraError */
export async function pushed(
  link: PushLink,
  name: string,
  files: PushedFiles,
  { expectedGeneration: expected, pinned, signal, onProgress = () => {} }: PushOptions,
): Promise<AdapterReport | MixtureReport> {
  const entries = entriesOf(files);
  const described = await describe(entries);
  const total = described.reduce((sum, { bytes }) => sum + bytes, 0);
  if (signal?.aborted) throw new MoloraError("cancelled", "the signal was aborted before the push was sent");
  const id = link.newId();
  const generation = expected === undefined ? {} : { expectedGeneration: expected ?? "" };
  const inbox = link.ask({ type: "push", id, name, files: described, ...generation, ...(pinned && { pinned }) });
  const received = async () => {
    const reply = await inbox.next();
    if (reply.type !== "received") throw unexpected(reply);
    onProgress(reply.bytes, total);
    return reply.bytes;
  };
  const cancel = () => link.cancel(id);
  signal?.addEventListener("abort", cancel);
  try {
    let there = await received(); // it may begin
    for (const { offset, data } of framesOf(entries)) {
      while (offset - there >= WINDOW) there = await received();
      link.send({ type: "push_data", id, offset, data });
    }
    while (there < total) there = await received();
    const reply = await inbox.next();
    const report = reply.type === "loaded" ? (reply.adapter ?? reply.mixture) : undefined;
    if (report === undefined) throw unexpected(reply);
    return report;
  } finally {
    signal?.removeEventListener("abort", cancel);
    link.cancel(id);
    link.forget(id);
  }
}

function entriesOf(files: PushedFiles): [name: string, bytes: Uint8Array][] {
  return files instanceof Map ? [...files] : Object.entries(files as Readonly<Record<string, Uint8Array>>);
}

function describe(entries: readonly [string, Uint8Array][]): Promise<PushedFile[]> {
  return Promise.all(
    entries.map(async ([name, bytes]) => ({ name, bytes: bytes.length, sha256: await sha256(bytes) })),
  );
}

/** Bytes one after another, over all files. */
function* framesOf(entries: readonly [string, Uint8Array][]): Generator<{ offset: number; data: Uint8Array }> {
  let offset = 0;
  for (const [, bytes] of entries) {
    for (let at = 0; at < bytes.length; at += FRAME_BYTES) {
      const data = bytes.subarray(at, at + FRAME_BYTES);
      yield { offset, data };
      offset += data.length;
    }
  }
}

async function sha256(bytes: Uint8Array): Promise<string> {
  const { subtle } = crypto;
  if (subtle === undefined) {
    throw new MoloraError("bad_arguments", "this page has no crypto.subtle, which checksums need", {
      remedy: "Serve the page over HTTPS or from localhost.",
    });
  }
  const digest = new Uint8Array(await subtle.digest("SHA-256", new Uint8Array(bytes)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
