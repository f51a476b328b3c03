// A web server of a test: answers as it is told, and remembers what it was asked.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

export interface Place {
  /** "http://127.0.0.1:PORT" */
  url: string;
  /** Requests, in order. */
  asked: { path: string; headers: IncomingMessage["headers"] }[];
}

export async function place(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse, path: string) => void,
): Promise<Place> {
  const asked: Place["asked"] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    asked.push({ path, headers: request.headers });
    answer(request, response, path);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** Sets variables of the environment for the length of a test; undefined: takes it away. */
export function withEnv(t: TestContext, variables: Record<string, string | undefined>): void {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  const set = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const [name, value] of Object.entries(variables)) set(name, value);
  t.after(() => {
    for (const [name, value] of before) set(name, value);
  });
}
