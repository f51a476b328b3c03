// When a peer has read what was sent: pings between the frames, and the pongs that answer them.
// The kernel's buffers take megabytes for a peer that reads a byte a second; only the peer itself can tell the two apart.

import type { WebSocket } from "ws";
import type { Frame } from "../../proto/messages.ts";

interface Sent {
  bytes: number;
  /** The peer has read it, or may be behind by it. */
  gone: () => void;
}

/**
 * Sends frames and says of each when it is gone: at once when it left this process, as long as the peer is at most
 * `allowance` bytes behind; else when it was read. So a reader that keeps up is never waited for.
 */
export class Receipts {
  readonly #socket: WebSocket;
  readonly #allowance: number;
  /** Frames that left and were not read, for all we know, the oldest first. */
  readonly #unread: Sent[] = [];
  #unreadBytes = 0;
  /** How many of them are gone, as their senders were told, and their bytes: at most the allowance. */
  #gone = 0;
  #goneBytes = 0;
  /** How many of them stand before the ping under way; 0: none is under way. */
  #marked = 0;
  #pings = 0;

  constructor(socket: WebSocket, allowance: number) {
    this.#socket = socket;
    this.#allowance = allowance;
    socket.on("pong", (data: Buffer) => {
      if (this.#marked > 0 && data.toString() === this.#mark) this.#read(this.#marked);
    });
  }

  send(frame: Frame, gone: () => void): void {
    const bytes = typeof frame === "string" ? Buffer.byteLength(frame) : frame.byteLength;
    this.#socket.send(frame, () => {
      this.#unread.push({ bytes, gone });
      this.#unreadBytes += bytes;
      this.#release();
      this.#ask();
    });
  }

  get #mark(): string {
    return `read ${this.#pings}`;
  }

  /** One ping at a time, and only when a quarter of the allowance is unread: a reader that keeps up gets few. */
  #ask(): void {
    if (this.#marked > 0 || this.#unreadBytes < this.#allowance / 4) return;
    this.#marked = this.#unread.length;
    this.#pings++;
    this.#socket.ping(this.#mark, undefined, () => {});
  }

  #read(frames: number): void {
    this.#marked = 0;
    for (const [i, { bytes, gone }] of this.#unread.splice(0, frames).entries()) {
      this.#unreadBytes -= bytes;
      if (i < this.#gone) this.#goneBytes -= bytes;
      else gone();
    }
    this.#gone = Math.max(0, this.#gone - frames);
    this.#release();
    this.#ask();
  }

  /** Tells the senders of what fits into the allowance. */
  #release(): void {
    for (; this.#gone < this.#unread.length; this.#gone++) {
      const { bytes, gone } = this.#unread[this.#gone];
      if (this.#goneBytes + bytes > this.#allowance) return;
      this.#goneBytes += bytes;
      gone();
    }
  }
}
