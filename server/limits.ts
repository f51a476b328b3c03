// What one client may take of the server, with the defaults that hold where nothing else is said.
// server/stream/ws.ts, server/stream/session.ts and server/stream/outbox.ts keep to it.

import { MoloraError } from "../proto/errors.ts";

export interface ServerLimits {
  /** Bytes of one incoming frame; beyond it the socket closes with 1009 (`frame_too_large`). */
  maxFrameBytes: number;
  /** Unsent bytes at which the socket's generations are no longer pulled. */
  softBufferBytes: number;
  /**
   * Unsent bytes at which the socket is cut off (`slow_reader`). What was sent and not read counts too, but for a quarter
   * of this: the kernel takes megabytes for a peer that reads next to nothing.
   */
  hardBufferBytes: number;
  /** Milliseconds a socket above the soft limit may pass without taking anything before it is cut off (`slow_reader`). */
  stallMs: number;
  /** Milliseconds between pings; a socket silent for a whole interval after one is dropped. */
  pingMs: number;
  /** Open requests of one socket (`queue_full`). */
  maxRequests: number;
  /** Sockets in all, plain HTTP and WebSocket alike (HTTP 429, `queue_full`). */
  maxSockets: number;
  /** Milliseconds a closing socket has to take its last frames, or the rest of its answer. */
  closeMs: number;
}

export const DEFAULT_LIMITS: Readonly<ServerLimits> = {
  maxFrameBytes: 1024 * 1024,
  softBufferBytes: 256 * 1024,
  hardBufferBytes: 4 * 1024 * 1024,
  stallMs: 30_000,
  pingMs: 30_000,
  maxRequests: 256,
  maxSockets: 1024,
  closeMs: 1_000,
};

/** @throws MoloraError `bad_arguments` for an unknown name, a number out of range, or a soft limit above the hard one. */
export function resolveLimits(given: Partial<ServerLimits> = {}): ServerLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) {
      throw new MoloraError("bad_arguments", `there is no server limit "${name}"`, {
        remedy: `The limits are: ${Object.keys(DEFAULT_LIMITS).join(", ")}.`,
      });
    }
    // 2^31 - 1 is also the longest delay a timer takes.
    if (!Number.isInteger(value) || value < 1 || value > 0x7fff_ffff) {
      throw new MoloraError(
        "bad_arguments",
        `the server limit ${name} must be an integer from 1 to 2^31 - 1, got ${value}`,
      );
    }
  }
  const limits = { ...DEFAULT_LIMITS, ...given };
  if (limits.softBufferBytes > limits.hardBufferBytes) {
    throw new MoloraError("bad_arguments", "softBufferBytes is above hardBufferBytes", {
      remedy: "Raise hardBufferBytes or lower softBufferBytes.",
    });
  }
  return limits;
}
