// An agent of the Vercel AI SDK with a tool, on an embedded engine. Needs `npm install ai @ai-sdk/provider zod`.
// `node examples/ai_sdk.mjs`

import { stepCountIs, ToolLoopAgent, tool } from "ai";
import { Engine } from "molora";
import { createMolora } from "molora/ai-sdk";
import { z } from "zod";

const engine = await Engine.load();
const molora = createMolora(engine);

const agent = new ToolLoopAgent({
  model: molora("default"),
  tools: {
    weather: tool({
      description: "The weather in a city",
      inputSchema: z.object({ city: z.enum(["Oslo", "Rome"]) }),
      execute: ({ city }) => ({ city, degrees: 21 }),
    }),
  },
  maxOutputTokens: 60,
  stopWhen: stepCountIs(2),
  // The embedded nano is too small to choose a tool by itself; a larger model needs no such help.
  prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "auto" }),
});

const { text, steps } = await agent.generate({ prompt: "How warm is it in Rome?" });
for (const { toolCalls } of steps) for (const { toolName, input } of toolCalls) console.log(toolName, input);
console.log(text);
await engine.close();
