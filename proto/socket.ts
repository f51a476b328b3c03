// Opens a WebSocket in a browser or in Node.

import { ERROR_CODES, type ErrorCode, MoloraError } from "./errors.ts";

/** The members that browsers' WebSocket and that of the package `ws` share. */
export interface Socket {
  binaryType: string;
  readonly protocol: string;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "error", listener: (event: { message?: string }) => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number; reason: string }) => void): void;
}

export type SocketConstructor = new (url: string, protocols: string[]) => Socket;

/** The platform's WebSocket; on Node without one, that of `ws`. */
export async function platformSocket(): Promise<SocketConstructor> {
  const native = (globalThis as { WebSocket?: SocketConstructor }).WebSocket;
  return native ?? ((await import("ws")).WebSocket as unknown as SocketConstructor);
}

/** @throws MoloraError `bad_arguments` for what is no WebSocket URL, `connection_lost` where nothing answers. */
export async function openSocket(Constructor: SocketConstructor, url: string, protocols: string[]): Promise<Socket> {
  let socket: Socket;
  try {
    socket = new Constructor(url, protocols);
  } catch (cause) {
    throw new MoloraError("bad_arguments", `cannot connect to ${JSON.stringify(url)}: ${(cause as Error).message}`, {
      remedy: `Give a URL such as "ws://127.0.0.1:8080/v1/stream".`,
      cause,
    });
  }
  socket.binaryType = "arraybuffer";
  await new Promise<void>((resolve, reject) => {
    let why = "";
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", (event) => {
      why = event.message ? `: ${event.message}` : "";
    });
    socket.addEventListener("close", () =>
      reject(
        new MoloraError("connection_lost", `no connection to ${url}${why}`, {
          remedy: "Check the address, the token, and that the server runs and lets this origin in.",
        }),
      ),
    );
  });
  return socket;
}

const TOO_LARGE = 1009;

/** The error of the requests that were open when a connection ended. The server's close reason is an error code. */
export function closeError({ code, reason }: { code: number; reason: string }): MoloraError {
  const details = { closeCode: code, ...(reason === "" ? {} : { reason }) };
  if (code === TOO_LARGE)
    return new MoloraError("frame_too_large", "a frame was larger than the server takes", { details });
  if (Object.hasOwn(ERROR_CODES, reason)) {
    return new MoloraError(reason as ErrorCode, `the server closed the connection: ${reason}`, { details });
  }
  return new MoloraError("connection_lost", `the connection closed (code ${code})`, {
    remedy: "Connect again.",
    details,
  });
}
