// The engine in this process: no server, no network. `node examples/embed.mjs`
// The mixture's router picks an adapter for every token in every layer; `trace` tells which.

import { Engine } from "molora";

const engine = await Engine.load();
const request = { prompt: "How many singers are there?", mixture: "default", maxTokens: 24, trace: true };
for await (const event of engine.generate(request)) {
  process.stdout.write(event.text);
  if (event.type === "done") {
    console.log(`\n${event.usage.completionTokens} tokens, ${event.finishReason}`);
  } else if (event.index === 0) {
    const experts = event.trace?.map(({ experts: [first] }) => first).join(" ");
    console.error(`first token's experts, layer by layer: ${experts}`);
  }
}
await engine.close();
