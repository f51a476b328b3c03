// Both backends of the frameworks' models: the embedded engine on nano, and a client of a server of that engine.

import { after } from "node:test";
import type { Backend } from "../../integrations/backend.ts";
import { Engine } from "../../node/index.ts";
import { MoloraClient } from "../../proto/client.ts";
import { startServer } from "../../server/server.ts";

export const engine = await Engine.load();
const server = await startServer(engine);
const client = await MoloraClient.connect(server.url);

after(async () => {
  await client.close();
  await server.close();
  await engine.close();
});

export const BACKENDS: [name: string, backend: Backend][] = [
  ["embedded", engine],
  ["over WebSocket", client],
];

export const QUESTION = "How many singers are there?\nTable columns: age, name, singer";

/** Greedy text of a request, without any framework. */
export async function alone(request: Parameters<typeof engine.generate>[0]): Promise<string> {
  let text = "";
  for await (const event of engine.generate({ prompt: QUESTION, ...request })) text += event.text;
  return text;
}
