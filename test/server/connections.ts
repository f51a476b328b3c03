// Raw WebSocket connections for the tests: JSON frames said and heard by hand, and a wait for what must come true.
// It does not use the client, so that the server is seen as a stranger sees it.

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type ClientOptions, WebSocket } from "ws";
import { type RunningServer, type ServerOptions, startServer } from "../../server/server.ts";
import { ScriptedEngine } from "./scripted_engine.ts";

/** A server on a free port, closed when the test ends. */
export async function serve(t: TestContext, options: ServerOptions = {}): Promise<[RunningServer, ScriptedEngine]> {
  const engine = new ScriptedEngine();
  const server = await startServer(engine, options);
  t.after(() => server.close());
  return [server, engine];
}

type Heard = Record<string, unknown> & { type: string };

export class RawConnection {
  readonly socket: WebSocket;
  readonly heard: Heard[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data, isBinary) => {
      if (!isBinary) this.heard.push(JSON.parse(String(data)));
    });
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => resolve({ code, reason: String(reason) }));
    });
  }

  static async open(url: string, options: ClientOptions = {}, protocols: string[] = []): Promise<RawConnection> {
    const connection = new RawConnection(new WebSocket(url, protocols, options));
    await new Promise((resolve, reject) => {
      connection.socket.once("open", resolve);
      connection.socket.once("error", reject);
    });
    return connection;
  }

  say(message: object | string): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** The first message heard, now or later, that has these fields. */
  async hear(fields: Record<string, unknown>): Promise<Heard> {
    const fits = (message: Heard) => Object.entries(fields).every(([name, value]) => message[name] === value);
    await until(() => this.heard.some(fits), `to hear ${JSON.stringify(fields)}`);
    return this.heard.find(fits) as Heard;
  }
}

/** HTTP status and error code a refused connection got. */
export async function refusal(url: string, options: ClientOptions = {}, protocols: string[] = []) {
  const socket = new WebSocket(url, protocols, options);
  const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
    socket.on("open", () => reject(new assert.AssertionError({ message: "the connection was accepted" })));
    socket.on("error", reject);
    socket.on("unexpected-response", async (_request, response) => {
      let body = "";
      for await (const chunk of response) body += String(chunk);
      resolve({ status: response.statusCode ?? 0, body });
    });
  });
  return { status: answer.status, code: JSON.parse(answer.body).code as string };
}

export async function until(holds: () => boolean, what: string, ms = 5_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > deadline) assert.fail(`waited ${ms} ms ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
