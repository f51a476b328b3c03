// A client of `molora serve`, in Node: many generations side by side on one connection.
// `node examples/websocket.mjs [ws://127.0.0.1:8080/v1/stream]`

import { MoloraClient } from "molora/client";

const client = await MoloraClient.connect(process.argv[2] ?? "ws://127.0.0.1:8080/v1/stream");

async function ask(routing) {
  let text = "";
  const request = { prompt: "How many singers are there?", maxTokens: 16, ...routing };
  for await (const event of client.generate(request)) text += event.text;
  return text;
}

const routings = [{}, { adapter: "sql" }, { mixture: "default" }];
const texts = await Promise.all(routings.map(ask));
for (const [i, text] of texts.entries()) console.log(JSON.stringify(routings[i]), JSON.stringify(text));
await client.close();
