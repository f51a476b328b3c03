// The real engine on nano behind a real port, for the tests of the HTTP routes, and plain requests to it.
// It does not use OpenAI's client, so that the routes are seen as a stranger sees them.

import type { TestContext } from "node:test";
import { Engine } from "../../../node/index.ts";
import { type ServedEngine, type ServeOptions, serve } from "../../../server/http/serve.ts";

let engine: Promise<Engine> | undefined;

/** One engine a test file; close it with `closeEngine` in `after`. */
export function nano(): Promise<Engine> {
  engine ??= Engine.load();
  return engine;
}

export async function closeEngine(): Promise<void> {
  await (await engine)?.close();
}

/** A server on a free port, closed when the test ends. */
export async function serveNano(t: TestContext, options: ServeOptions = {}): Promise<ServedEngine> {
  const server = await serve(await nano(), options);
  t.after(() => server.close());
  return server;
}

export interface Answer {
  status: number;
  body: Record<string, unknown> & { error?: { message: string; type: string; param: string | null; code: string } };
}

export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}

/** As `post`, with the response's headers. */
export async function postFor(url: string, body: unknown): Promise<Answer & { headers: Headers }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer["body"] };
}
