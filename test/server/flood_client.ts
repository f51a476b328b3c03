// Requests without mercy, from a thread of their own so that only the server's event loop is measured. Says how long
// `/health` took meanwhile, and what came back.

import { Agent, get, request } from "node:http";
import { parentPort, workerData } from "node:worker_threads";
import { WebSocket } from "ws";

export interface Flood {
  port: number;
  kind: "http" | "stream";
  /** Requests in all, over so many connections. */
  requests: number;
  connections: number;
  /** A request's body or frame; `%` becomes its number. */
  body: string;
}

export interface FloodReport {
  /** Milliseconds of each `/health`, in ascending order. */
  health: number[];
  /** How many answers had each status, or each kind of last message. */
  answers: Record<string, number>;
}

const { port, kind, requests, connections, body }: Flood = workerData;
const answers: FloodReport["answers"] = {};
const count = (what: string | number | undefined) => {
  answers[String(what)] = (answers[String(what)] ?? 0) + 1;
};

function overHttp(): Promise<unknown> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const headers = { "content-type": "application/json" };
  const one = (i: number) =>
    new Promise<void>((resolve) => {
      const sent = request({ port, path: "/v1/chat/completions", method: "POST", agent, headers }, (response) => {
        count(response.statusCode);
        response.resume().on("end", resolve);
      });
      sent.on("error", (error: NodeJS.ErrnoException) => {
        count(error.code);
        resolve();
      });
      sent.end(body.replace("%", String(i)));
    });
  return Promise.all(Array.from({ length: requests }, (_, i) => one(i))).finally(() => agent.destroy());
}

function overStreams(): Promise<unknown> {
  const each = requests / connections;
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`);
      let open = each;
      socket.on("error", reject);
      socket.on("open", () => {
        for (let i = 0; i < each; i++) socket.send(body.replace("%", String(i)));
      });
      socket.on("message", (data) => {
        const { type, code } = JSON.parse(String(data));
        if (type !== "done" && type !== "error") return;
        count(code ?? type);
        if (--open > 0) return;
        socket.close();
        resolve();
      });
    });
  return Promise.all(Array.from({ length: connections }, one));
}

const health: number[] = [];
let flooding = true;

async function watch(): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  while (flooding) {
    const begin = performance.now();
    await new Promise<void>((resolve, reject) => {
      get({ port, path: "/health", agent }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`health: ${response.statusCode}`));
        response.resume().on("end", resolve);
      }).on("error", reject);
    });
    health.push(performance.now() - begin);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  agent.destroy();
}

const watching = watch();
await (kind === "http" ? overHttp() : overStreams());
flooding = false;
await watching;
const report: FloodReport = { health: health.sort((a, b) => a - b), answers };
parentPort?.postMessage(report);
