// What strangers do to a server: leave in the middle, read slowly, send what is no request.
// It knows nothing of what right answers are; a slow reader's text is the caller's to check.

import { connect, type Socket } from "node:net";
import { WebSocket } from "ws";
import { events, httpRequest, type Task } from "./requests.ts";

export interface Address {
  host: string;
  port: number;
  url: string;
}

/** Opens a stream by a bare socket and destroys it after the first bytes. */
export async function killMidStream(address: Address, task: Task, model: string): Promise<void> {
  const socket = await streaming(address, task, model);
  await new Promise<void>((resolve) => {
    socket.once("data", () => resolve());
    socket.once("close", () => resolve());
  });
  socket.destroy();
}

/** Reads a stream with pauses of `pauseMs` that let buffers fill. */
export async function readSlowly(address: Address, task: Task, model: string, pauseMs: number): Promise<string> {
  const socket = await streaming(address, task, model);
  let text = "";
  let ended = false;
  const slow = async function* () {
    for await (const chunk of socket) {
      yield chunk as Uint8Array;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  for await (const data of events(unchunked(slow()))) {
    if (data === "[DONE]") {
      ended = true;
      break;
    }
    const { choices = [] } = JSON.parse(data) as { choices?: { text?: string; delta?: { content?: string } }[] };
    for (const { text: piece, delta } of choices) text += piece ?? delta?.content ?? "";
  }
  socket.destroy();
  if (!ended) throw new Error("the slow stream broke off");
  return text;
}

/** Sends half of a request, says nothing more for a while, and goes without a word. */
export async function leaveHalfOpen({ host, port }: Address, silentMs: number): Promise<void> {
  const socket = await opened(host, port);
  socket.write(
    "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{",
  );
  await new Promise((resolve) => setTimeout(resolve, silentMs));
  socket.destroy();
}

const FRAMES: readonly (string | Buffer)[] = [
  "",
  "{",
  "null",
  '{"type":"generate"}',
  '{"type":"generate","id":"x"}',
  '{"type":"cancel","id":"nobody"}',
  '{"type":"generate","id":"x","prompt":"x","mixture":"nowhere"}',
  `{"type":"generate","id":"x","prompt":"x","temperatur":1}`,
  Buffer.from([0xff, 0xfe, 0x00, 0x80]),
  Buffer.alloc(1000, 0x0a),
];

/** Frames that are none, by WebSocket; each is answered with an error, or the socket is closed. */
export async function sendBadFrames({ url }: Address, random: () => number): Promise<void> {
  const socket = new WebSocket(url, ["molora.v1.json"]);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {});
  await Promise.race([new Promise<void>((resolve) => socket.once("open", () => resolve())), closed]);
  const answered = new Promise<void>((resolve) => socket.once("message", () => resolve()));
  socket.send(FRAMES[Math.floor(random() * FRAMES.length)]);
  await within(10_000, Promise.race([answered, closed]));
  socket.terminate();
}

const BAD_HTTP: readonly string[] = [
  "GET / HTTP/9.9\r\n\r\n",
  "nonsense\r\n\r\n",
  "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{",
  "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
  "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 3\r\n\r\n<a>",
  "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{",
  "GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
  "DELETE /v1/responses/resp_0 HTTP/1.1\r\nHost: x\r\n\r\n",
];

/** Requests that are none, by a bare socket; each is answered, or the socket is closed. */
export async function sendBadHttp({ host, port }: Address, random: () => number): Promise<void> {
  const socket = await opened(host, port);
  const answered = new Promise<void>((resolve) => {
    socket.once("data", () => resolve());
    socket.once("close", () => resolve());
  });
  socket.write(BAD_HTTP[Math.floor(random() * BAD_HTTP.length)]);
  await within(10_000, answered);
  socket.destroy();
}

async function streaming({ host, port }: Address, task: Task, model: string): Promise<Socket> {
  const { path, body } = httpRequest("http stream", task, model);
  const text = JSON.stringify(body);
  const socket = await opened(host, port);
  const head = [`POST /v1${path} HTTP/1.1`, "Host: x", "Connection: close", "Content-Type: application/json"];
  socket.write(`${[...head, `Content-Length: ${Buffer.byteLength(text)}`].join("\r\n")}\r\n\r\n${text}`);
  return socket;
}

function opened(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => resolve(socket));
    socket.once("error", reject);
    socket.on("error", () => {});
  });
}

/** The body of a chunked answer. Sizes of chunks are lines that hold nothing else, and no event looks like one. */
async function* unchunked(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Buffer = Buffer.alloc(0);
  let inBody = false;
  for await (const chunk of bytes) {
    held = Buffer.concat([held, chunk]);
    if (!inBody) {
      const end = held.indexOf("\r\n\r\n");
      if (end === -1) continue;
      held = held.subarray(end + 4);
      inBody = true;
    }
    for (;;) {
      const line = held.indexOf("\r\n");
      if (line === -1) break;
      const size = Number.parseInt(held.subarray(0, line).toString("latin1"), 16);
      if (held.length < line + 2 + size + 2) break;
      yield held.subarray(line + 2, line + 2 + size);
      held = held.subarray(line + 2 + size + 2);
    }
  }
}

function within<T>(ms: number, wanted: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  return Promise.race([wanted, late]).finally(() => clearTimeout(timer));
}
