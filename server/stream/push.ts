// A folder's files that a client pushes in frames: put together in their order, checked, and handed on when all are there.

import { sha256 } from "../../files/digest.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { PushDataMessage, PushedFile, PushMessage } from "../../proto/messages.ts";
import { checkPushedFile, tooLarge } from "../pushed_files.ts";

export interface PushLimits {
  /** Bytes of all files together. */
  maxUploadBytes: number;
  /** Milliseconds without a frame after which it is given up. */
  stallMs: number;
}

export class Push {
  /** Settles when the last bytes are there, or it is given up. @throws MoloraError why it was */
  readonly whole: Promise<void>;
  readonly #message: PushMessage;
  readonly #limits: PushLimits;
  readonly #total: number;
  readonly #chunks: Uint8Array[] = [];
  #received = 0;
  #done: () => void = () => {};
  #failed: (error: MoloraError) => void = () => {};
  #timer: NodeJS.Timeout | undefined;

  /** @throws MoloraError `bad_request`, `frame_too_large` */
  constructor(message: PushMessage, limits: PushLimits) {
    const names = new Set<string>();
    for (const { name } of message.files) {
      checkPushedFile(name, names);
      names.add(name);
    }
    this.#total = message.files.reduce((sum, { bytes }) => sum + bytes, 0);
    if (this.#total > limits.maxUploadBytes) throw tooLarge(limits.maxUploadBytes);
    if (this.#total === 0) throw new MoloraError("bad_request", "the push has no bytes", { remedy: "Send some file." });
    this.#message = message;
    this.#limits = limits;
    this.whole = new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#failed = reject;
    });
    this.whole.catch(() => {}); // told to who waits for it, if somebody does by then
    this.#wait();
  }

  /** Bytes that are here. What is wrong with them ends the push. */
  take({ offset, data }: Pick<PushDataMessage, "offset" | "data">): number {
    if (offset !== this.#received || data.length === 0 || offset + data.length > this.#total) {
      const error = new MoloraError(
        "bad_request",
        `${data.length} bytes at ${offset} do not follow the ${this.#received} of ${this.#total} that are here`,
        { remedy: "Send the files' bytes one after another, each once." },
      );
      this.end(error);
      return this.#received;
    }
    this.#chunks.push(data);
    this.#received += data.length;
    if (this.#received < this.#total) this.#wait();
    else {
      clearTimeout(this.#timer);
      this.#done();
    }
    return this.#received;
  }

  /** Gives it up, if it is not whole. */
  end(error: MoloraError): void {
    clearTimeout(this.#timer);
    this.#chunks.length = 0;
    this.#failed(error);
  }

  /** Once it is whole. @throws MoloraError `checksum_mismatch` */
  async files(): Promise<Map<string, Uint8Array>> {
    const all = joined(this.#chunks, this.#total);
    this.#chunks.length = 0;
    const files = new Map<string, Uint8Array>();
    let at = 0;
    for (const file of this.#message.files) {
      const bytes = all.subarray(at, at + file.bytes);
      at += file.bytes;
      await checkSum(file, bytes);
      files.set(file.name, bytes);
    }
    return files;
  }

  #wait(): void {
    clearTimeout(this.#timer);
    const { stallMs } = this.#limits;
    this.#timer = setTimeout(() => {
      const why = `nothing of the push came for ${stallMs / 1000} s, ${this.#received} of ${this.#total} bytes are here`;
      this.end(new MoloraError("bad_request", why, { remedy: "Push it again." }));
    }, stallMs);
    this.#timer.unref();
  }
}

async function checkSum({ name, sha256: stated }: PushedFile, bytes: Uint8Array): Promise<void> {
  const found = await sha256(bytes);
  if (found === stated) return;
  throw new MoloraError("checksum_mismatch", `${name} has another SHA-256 than was stated`, {
    remedy: "Push it again.",
    details: { file: name, expected: stated, found },
  });
}

function joined(chunks: readonly Uint8Array[], total: number): Uint8Array {
  const all = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
